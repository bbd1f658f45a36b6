package exporter

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"starproxy/driver"
	"starproxy/driver/client"
	"starproxy/driver/rpc"
)

// fake is a driver whose methods do what the tests need.
type fake struct {
	log     *slog.Logger
	dial    string        // what "connect" dials
	stopped chan struct{} // told when "forever" or "wait" was cancelled
	closed  atomic.Int32
}

func (f *fake) Call(ctx context.Context, method string, args []any) (any, error) {
	switch method {
	case "echo":
		return args, nil
	case "big":
		return string(make([]byte, int(args[0].(float64)))), nil
	case "size":
		return len(args[0].(string)), nil
	case "binary":
		return "\xff\xfe", nil
	case "fail":
		return nil, &rpc.Refusal{Code: rpc.Code(args[0].(float64)), Text: args[1].(string)}
	case "plain":
		return nil, errors.New("some\nfailure")
	case "panic":
		panic("oops")
	case "log":
		f.log.Info(args[0].(string), "operation", "log", "n", 1)
		return nil, nil
	case "wait":
		<-ctx.Done()
		f.stopped <- struct{}{}
		return nil, ctx.Err()
	}
	return nil, noMethod(method)
}

func (f *fake) Stream(ctx context.Context, method string, args []any) (iter.Seq2[any, error], error) {
	switch method {
	case "count":
		return func(yield func(any, error) bool) {
			for i := range int(args[0].(float64)) {
				if !yield(i, nil) {
					return
				}
			}
		}, nil
	case "half":
		return func(yield func(any, error) bool) {
			if yield("one", nil) {
				yield(nil, &rpc.Refusal{Code: rpc.Internal, Text: "broke after one"})
			}
		}, nil
	case "forever":
		return func(yield func(any, error) bool) {
			defer func() { f.stopped <- struct{}{} }()
			if !yield("first", nil) {
				return
			}
			<-ctx.Done()
			yield(nil, ctx.Err())
		}, nil
	}
	return nil, noMethod(method)
}

func (f *fake) Connect(ctx context.Context, method string) (net.Conn, error) {
	if method != "connect" {
		return nil, noMethod(method)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", f.dial)
}

func (f *fake) Close() error {
	f.closed.Add(1)
	return nil
}

// bench is an exporter of fakes.
type bench struct {
	*Session
	fakes map[string]*fake // by export path
}

const fakesFile = `
metadata: {name: bench}
description: The bench
motd: Hello
export:
  proxy: {type: starproxy.MitmproxyDriver, description: Main, methods_description: {start-cmd: Go}}
  lab:
    children:
      second: {type: starproxy.MitmproxyDriver}
  again: {ref: lab}
`

func newBench(t *testing.T, file, dial string) *bench {
	t.Helper()
	config, err := Parse("bench.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{fakes: map[string]*fake{}}
	var fakes []*fake
	b.Session, err = Open(config, Options{open: func(_ driver.Config, o driver.Options) (instance, error) {
		f := &fake{log: o.Log, dial: dial, stopped: make(chan struct{}, 16)}
		fakes = append(fakes, f)
		return f, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range b.Proxies() {
		b.fakes[path] = fakes[i]
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

// driverAt is the driver of this process that answers for a path of the tree,
// nil when there is none.
func driverAt(s *Session, path string) *driver.Driver {
	for _, it := range s.items {
		if it.path == path {
			h, _ := s.served[s.ids[it.node]].(hosted)
			d, _ := h.driver.(*driver.Driver)
			return d
		}
	}
	return nil
}

// dialUnix serves b on a unix socket and connects to it.
func dialUnix(t *testing.T, b *bench) *client.Client {
	t.Helper()
	path, err := b.ServeUnix(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	return dial(t, path, client.Options{})
}

func dial(t *testing.T, host string, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), host, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func find(t *testing.T, c *client.Client, path ...string) *client.Node {
	t.Helper()
	n, err := c.Find(path...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// backend answers every connection with serve, on loopback.
func backend(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn.(*net.TCPConn))
			}()
		}
	}()
	return ln.Addr().String()
}

// echo sends everything back and then ends its half.
func echo(conn *net.TCPConn) { io.Copy(conn, conn) }

// soon fails the test when ch does not deliver.
func soon[T any](t *testing.T, ch <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s did not happen", what)
	}
	return v
}
