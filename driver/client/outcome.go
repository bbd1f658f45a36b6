package client

import (
	"google.golang.org/grpc/metadata"

	"starproxy/driver/rpc"
)

// A stock driver answers many calls with a sentence, whether or not it did what
// was asked. So that no client has to judge by the words of the sentence, our
// exporter tells the outcome in the trailer of the answer, which stock clients
// ignore. It is kept short: they take 8 KB of metadata at most.
const (
	outcomeKey = "starproxy-outcome"  // "OK", or the name of the code of a refusal
	aboutKey   = "starproxy-about"    // Refusal.About, if not empty
	textKey    = "starproxy-text-bin" // Refusal.Text, if it is not the sentence
	done       = "OK"
	maxText    = 4 << 10 // bytes
)

// Done returns the trailer of a call that did what was asked.
func Done() metadata.MD { return metadata.Pairs(outcomeKey, done) }

// Refused returns the trailer of a call that is answered with the stock
// sentence of r.
func Refused(r *rpc.Refusal) metadata.MD {
	md := metadata.Pairs(outcomeKey, r.Code.String())
	if r.About != "" {
		md.Set(aboutKey, r.About)
	}
	if r.Text != r.Stock {
		md.Set(textKey, r.Text[:min(len(r.Text), maxText)])
	}
	return md
}

// outcome returns the error of a call of a proxy with that trailer and result:
// nil when it did what was asked.
func outcome(md metadata.MD, method string, result any) error {
	first := func(key string) string {
		if all := md.Get(key); len(all) > 0 {
			return all[0]
		}
		return ""
	}
	sentence, _ := result.(string)
	switch name := first(outcomeKey); name {
	case "":
		return JudgeStock(method, result)
	case done:
		return nil
	default:
		r := &rpc.Refusal{About: first(aboutKey), Text: first(textKey), Stock: sentence}
		if r.Text == "" {
			r.Text = sentence
		}
		if err := r.Code.UnmarshalText([]byte(name)); err != nil {
			r.Code = rpc.Internal // of a later version
		}
		return r
	}
}
