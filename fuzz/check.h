/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of the tables, whatever came in. */
#ifndef KINDLING_FUZZ_CHECK_H
#define KINDLING_FUZZ_CHECK_H

#include <stddef.h>
#include <stdint.h>

/* Ends the program when something does not hold. */
void check_tables(void);
/* Also: both ends of a conversation counted the same requests. For one conversation, its start seen. */
void check_sides(void);

#endif
