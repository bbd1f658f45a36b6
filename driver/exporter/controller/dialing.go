package controller

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"starproxy/driver/exporter"
)

// dialing is how the controller and its routers are dialled.
type dialing struct {
	tls       *tls.Config
	keepalive keepalive.ClientParameters
	calls     []grpc.CallOption
	others    []grpc.DialOption
	// warnings name the options that have no effect.
	warnings []string
}

// minPing is the shortest time between two pings that gRPC's Go library allows.
const minPing = 10 * time.Second

// newDialing checks tls and grpcOptions of a configuration.
func newDialing(c *exporter.Config) (*dialing, error) {
	d := &dialing{
		tls: &tls.Config{MinVersion: tls.VersionTLS12},
		// Pings find a controller that hangs, and networks that lose
		// connections in silence.
		keepalive: keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 20 * time.Second, PermitWithoutStream: true},
	}
	switch {
	case c.TLS.Insecure || os.Getenv("JMP_GRPC_INSECURE") == "1" || os.Getenv("JUMPSTARTER_GRPC_INSECURE") == "1":
		d.tls.InsecureSkipVerify = true
	case c.TLS.CA != "":
		pem, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(c.TLS.CA), ""))
		if err != nil {
			return nil, fmt.Errorf("%s: tls.ca: got text that is not base64 (%v), want a PEM bundle in base64", c.Path, err)
		}
		d.tls.RootCAs = x509.NewCertPool()
		if !d.tls.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: tls.ca: got no certificate, want a PEM bundle in base64", c.Path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.GRPCOptions)) {
		set, known := grpcOptions[name]
		if !known {
			d.warnings = append(d.warnings, fmt.Sprintf("%s: grpcOptions: %s has no effect in this exporter", c.Path, name))
			continue
		}
		if want := set(d, c.GRPCOptions[name]); want != "" {
			return nil, fmt.Errorf("%s: grpcOptions: %s: got %v, want %s", c.Path, name, c.GRPCOptions[name], want)
		}
	}
	if d.keepalive.Time < minPing {
		d.warnings = append(d.warnings, fmt.Sprintf("%s: grpcOptions: grpc.keepalive_time_ms: got %d, used is %d, the least", c.Path,
			d.keepalive.Time.Milliseconds(), minPing.Milliseconds()))
		d.keepalive.Time = minPing
	}
	return d, nil
}

// grpcOptions are the arguments of gRPC's core library that have a meaning
// here. A function returns what it wants if it did not get it.
var grpcOptions = map[string]func(d *dialing, v any) (want string){
	"grpc.keepalive_time_ms": func(d *dialing, v any) string {
		return milliseconds(v, &d.keepalive.Time)
	},
	"grpc.keepalive_timeout_ms": func(d *dialing, v any) string {
		return milliseconds(v, &d.keepalive.Timeout)
	},
	"grpc.keepalive_permit_without_calls": func(d *dialing, v any) string {
		return truth(v, &d.keepalive.PermitWithoutStream)
	},
	"grpc.max_receive_message_length": func(d *dialing, v any) string {
		return messageSize(v, func(n int) { d.calls = append(d.calls, grpc.MaxCallRecvMsgSize(n)) })
	},
	"grpc.max_send_message_length": func(d *dialing, v any) string {
		return messageSize(v, func(n int) { d.calls = append(d.calls, grpc.MaxCallSendMsgSize(n)) })
	},
	"grpc.ssl_target_name_override": func(d *dialing, v any) string {
		return word(v, func(s string) { d.tls.ServerName = s })
	},
	"grpc.default_authority": func(d *dialing, v any) string {
		return word(v, func(s string) { d.others = append(d.others, grpc.WithAuthority(s)) })
	},
	"grpc.primary_user_agent": func(d *dialing, v any) string {
		return word(v, func(s string) { d.others = append(d.others, grpc.WithUserAgent(s)) })
	},
	"grpc.enable_http_proxy": func(d *dialing, v any) string {
		on := true
		want := truth(v, &on)
		if !on {
			d.others = append(d.others, grpc.WithNoProxy())
		}
		return want
	},
}

// whole returns the integer in a value of a document.
func whole(v any) (n int64, ok bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	case json.Number: // 1000.0, say
		f, err := v.Float64()
		if err != nil {
			return 0, false
		}
		return whole(f)
	}
	return 0, false
}

func milliseconds(v any, into *time.Duration) string {
	n, ok := whole(v)
	if !ok || n <= 0 {
		return "a positive number of milliseconds"
	}
	*into = time.Duration(min(n, math.MaxInt32)) * time.Millisecond
	return ""
}

func truth(v any, into *bool) string {
	n, ok := whole(v)
	b, isBool := v.(bool)
	if !ok && !isBool || ok && n != 0 && n != 1 {
		return "0 or 1"
	}
	*into = b || n == 1
	return ""
}

func messageSize(v any, set func(int)) string {
	n, ok := whole(v)
	if !ok || n < -1 {
		return "a number of bytes, or -1 for no limit"
	}
	if n == -1 || n > math.MaxInt32 {
		n = math.MaxInt32
	}
	set(int(n))
	return ""
}

func word(v any, set func(string)) string {
	s, ok := v.(string)
	if !ok || s == "" {
		return "a text"
	}
	set(s)
	return ""
}

// open makes a connection to an endpoint, host:port; it is made when it is
// first used. The pauses between attempts are those of who uses it.
func (d *dialing) open(endpoint string, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(d.tls)),
		grpc.WithKeepaliveParams(d.keepalive),
		grpc.WithDisableServiceConfig(), // it would be looked up in DNS
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.5, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 10 * time.Second,
		}),
		grpc.WithDefaultCallOptions(d.calls...),
	}
	return grpc.NewClient("dns:///"+endpoint, append(append(options, d.others...), more...)...)
}

// bearer identifies the exporter on each call to the controller.
type bearer struct{ config *exporter.Config }

// GetRequestMetadata returns the four keys that the controller asks for.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{
		"jumpstarter-kind":      "Exporter",
		"jumpstarter-namespace": b.config.Metadata.Namespace,
		"jumpstarter-name":      b.config.Metadata.Name,
		"authorization":         "Bearer " + strings.TrimSpace(b.config.Token),
	}, nil
}

// RequireTransportSecurity is true: the token opens the lab.
func (bearer) RequireTransportSecurity() bool { return true }

var _ credentials.PerRPCCredentials = bearer{}
