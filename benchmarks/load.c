/* Load for the benchmarks: `load WHAT SECONDS [PORT]` prints operations per second. Client and loop in one, so that
 * nothing but the measured work takes time. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 16
#define BATCH 1000

static char answer[65536];

static double clock_of(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int dial(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		fail("connect");
	return fd;
}

static void ask(int fd, const char *request)
{
	if (send(fd, request, strlen(request), 0) < 0)
		fail("send");
}

static void take(int fd, ssize_t wanted)
{
	while (wanted > 0) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);

		if (n <= 0)
			fail("recv");
		wanted -= n;
	}
}

/* How long an answer is: all are alike. */
static ssize_t measure(int port, const char *request)
{
	int fd = dial(port);
	ssize_t n;

	ask(fd, request);
	usleep(50000);
	n = recv(fd, answer, sizeof(answer), 0);
	if (n <= 0)
		fail("recv");
	close(fd);
	return n;
}

static double keep_alive(double seconds, int port, const char *request)
{
	ssize_t wanted = measure(port, request);
	double began, now;
	long done = 0;
	int fds[CONNECTIONS];

	for (int i = 0; i < CONNECTIONS; i++)
		fds[i] = dial(port);
	began = clock_of(CLOCK_MONOTONIC);
	do {
		for (int i = 0; i < CONNECTIONS; i++)
			ask(fds[i], request);
		for (int i = 0; i < CONNECTIONS; i++)
			take(fds[i], wanted);
		done += CONNECTIONS;
		now = clock_of(CLOCK_MONOTONIC);
	} while (now < began + seconds);
	for (int i = 0; i < CONNECTIONS; i++)
		close(fds[i]);
	return done / (now - began);
}

/* One request each; ended by a reset, so that no ports wait for their end. */
static double connects(double seconds, int port, const char *request)
{
	struct linger at_once = { .l_onoff = 1 };
	ssize_t wanted = measure(port, request);
	double began = clock_of(CLOCK_MONOTONIC), now;
	long done = 0;

	do {
		int fd = dial(port);

		ask(fd, request);
		take(fd, wanted);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
		done++;
		now = clock_of(CLOCK_MONOTONIC);
	} while (now < began + seconds);
	return done / (now - began);
}

/* Calls that have nothing to do with networking, by processor time. */
static double calls(double seconds, const char *what)
{
	double began = clock_of(CLOCK_PROCESS_CPUTIME_ID), now;
	int file = open("/proc/self/exe", O_RDONLY), ends[2];
	long done = 0;

	if (file < 0 || pipe(ends))
		fail("open");
	do {
		for (int i = 0; i < BATCH; i++) {
			if (*what == 'g')
				syscall(SYS_getppid);
			else if (what[1] == 'r' && pread(file, answer, 512, 0) != 512)
				fail("pread");
			else if (what[1] == 'i' &&
				 (write(ends[1], "x", 1) != 1 || read(ends[0], answer, 1) != 1))
				fail("pipe");
		}
		done += BATCH;
		now = clock_of(CLOCK_PROCESS_CPUTIME_ID);
	} while (now < began + seconds);
	return done / (now - began);
}

int main(int count, char **arguments)
{
	const char *http = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n", *what;
	double seconds, rate;
	int port;

	if (count < 3) {
		fprintf(stderr, "load http|redis|connects|getppid|pread|pipe SECONDS [PORT]\n");
		return 2;
	}
	what = arguments[1];
	seconds = atof(arguments[2]);
	port = count > 3 ? atoi(arguments[3]) : 0;
	if (!strcmp(what, "http"))
		rate = keep_alive(seconds, port, http);
	else if (!strcmp(what, "redis"))
		rate = keep_alive(seconds, port, "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
	else if (!strcmp(what, "connects"))
		rate = connects(seconds, port, http);
	else
		rate = calls(seconds, what);
	printf("%.1f\n", rate);
	return 0;
}
