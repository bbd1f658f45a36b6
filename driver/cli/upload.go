package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"starproxy/builtins/disk"
	"starproxy/driver/client"
)

// partSize is how much of a file goes into one message: in base64 it stays
// well below gRPC's 4 MiB.
const partSize = 2 << 20

// upload sends a file to the exporter's files directory under name: a small one
// in one message, a larger one in parts if the exporter is ours, which takes any
// size so.
func (p proxy) upload(ctx context.Context, sys *System, name, local string) error {
	f, info, err := disk.Open(local)
	if err != nil {
		return err
	}
	defer f.Close()
	if info.Size() > partSize {
		bar := sys.progress(name, info.Size())
		done, err := p.uploadParts(ctx, io.TeeReader(f, bar), "upload_mock_file_part", name)
		_ = bar.Close()
		if done || err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	return p.uploadWhole(ctx, sys, f, name)
}

// uploadParts sends r piece by piece. It is not done when the exporter, a
// Python one, has no such method.
func (p proxy) uploadParts(ctx context.Context, r io.Reader, method, name string) (done bool, err error) {
	id := uuid.NewString()
	buf, next := make([]byte, partSize), make([]byte, partSize)
	n, err := io.ReadFull(r, buf)
	for offset := 0; ; {
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return false, err
		}
		var m int
		last := err != nil
		if !last { // this part is the last one when nothing follows it
			m, err = io.ReadFull(r, next)
			last = m == 0 && err == io.EOF
		}
		_, e := p.text(ctx, method,
			name, id, offset, base64.StdEncoding.EncodeToString(buf[:n]), last)
		if offset == 0 && unknownMethod(e) {
			return false, nil
		}
		if e != nil || last {
			return e == nil, e
		}
		offset += n
		buf, next, n = next, buf, m
	}
}

// uploadWhole sends f in one message, as the contract has it.
func (p proxy) uploadWhole(ctx context.Context, sys *System, f io.Reader, name string) error {
	data, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	bar := sys.progress(name, -1)
	_, err = p.text(ctx, "upload_mock_file", name, base64.StdEncoding.EncodeToString(data))
	_ = bar.Close()
	var refused *client.Error
	if errors.As(err, &refused) && refused.Code == codes.ResourceExhausted {
		return tooLarge(len(data), refused.Message)
	}
	return err
}

// messageLimit is the limit of a gRPC server in its own words, Go's and the
// core library's.
var messageLimit = regexp.MustCompile(`larger than max \(\d+ vs\. (\d+)\)`)

// tooLarge explains why a stock exporter refuses a file of size bytes: it takes
// it as one message, in base64, of 4 MiB.
func tooLarge(size int, message string) error {
	text := fmt.Sprintf("%s are too much for one message to this exporter", byteSize(float64(size)))
	if m := messageLimit.FindStringSubmatch(message); m != nil {
		if limit, err := strconv.Atoi(m[1]); err == nil {
			text += fmt.Sprintf(", which takes files of up to %s", byteSize(float64(limit/4*3)))
		}
	}
	return errors.New(text + ": copy the file to its files directory by other means")
}
