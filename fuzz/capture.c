/* SPDX-License-Identifier: Apache-2.0 */
/* A capture file: its reader, the link headers, the tracker and all dissectors. The first byte chooses the pieces. */
#include <stdint.h>

#include "../native/kindling_native.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece;

	if (!size || kn_open(0, 0, 1) != KN_OK)
		return 0;
	piece = data[0] ? data[0] : size;
	data++;
	size--;
	while (size) {
		size_t now = piece < size ? piece : size;

		if (kn_feed(data, now) != KN_OK)
			break;
		data += now;
		size -= now;
	}
	kn_finish();
	check_tables();
	kn_close();
	return 0;
}
