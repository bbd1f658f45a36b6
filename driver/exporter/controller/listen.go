package controller

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"starproxy/driver/pb"
)

// listen takes the tokens of the lease's tunnels, over whatever link there is,
// until ctx ends.
func (r *runner) listen(ctx context.Context, l *lease) {
	p := pauses{pace: r.pace}
	replaced := 0 // Listens in a row that the controller ended soon
	said := false
	for {
		link := r.links.get(ctx)
		if link == nil {
			return
		}
		began := time.Now()
		err := r.listenOn(ctx, link, l)
		if ctx.Err() != nil {
			return
		}
		link.judge(err)
		if time.Since(began) > r.pace.steady {
			p.reset()
			replaced = 0
		}
		most := r.pace.leased
		if faultOf(err) == faultEnded {
			// The controller ends a Listen only for a newer one of the same
			// lease. Two processes that begin anew at once would go on for ever.
			replaced++
			most = r.pace.most
			if replaced > 1 && !said {
				said = true
				text := fmt.Sprintf("another process listens as exporter %s: the controller ends the calls of the one for those "+
					"of the other; end one of them, until then clients reach either", identity(link.config))
				r.tell(slog.LevelError, text, text)
			}
		} else {
			l.log.Debug("Listen ended; beginning anew", "error", err)
		}
		sleep(ctx, p.take(most), link.over)
	}
}

// listenOn reads tokens from one Listen until it ends.
func (r *runner) listenOn(ctx context.Context, link *link, l *lease) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := link.Listen(ctx, &pb.ListenRequest{LeaseName: l.info.Name})
	if err != nil {
		return err
	}
	for {
		t, err := stream.Recv()
		if err != nil {
			return err
		}
		l.tunnels.add(t)
	}
}
