// Package bench measures starproxy beside a bare net/http server and beside
// mitmdump: all three run in processes of their own, in turn, under the same
// load, and their CPU time is read from the operating system. It is a test
// that runs when STARPROXY_BENCH is set ("make bench") and prints the table of
// docs/performance.md.
package bench
