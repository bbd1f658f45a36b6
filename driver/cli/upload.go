package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"google.golang.org/grpc/codes"

	"starproxy/driver/client"
)

// upload sends a file to the exporter's files directory under name.
func (p proxy) upload(ctx context.Context, sys *System, name, local string) error {
	data, err := os.ReadFile(local)
	if err != nil {
		return err
	}
	bar := sys.progress(name, -1)
	_, err = p.text(ctx, []string{"Uploaded"}, "upload_mock_file", name, base64.StdEncoding.EncodeToString(data))
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

// tooLarge explains why an exporter refuses a file of size bytes: the contract
// has it travel as one message, in base64. Stock exporters accept messages of
// 4 MiB, ours of 64 MiB.
func tooLarge(size int, message string) error {
	text := fmt.Sprintf("%s are too much for one message to this exporter", byteSize(float64(size)))
	if m := messageLimit.FindStringSubmatch(message); m != nil {
		if limit, err := strconv.Atoi(m[1]); err == nil {
			text += fmt.Sprintf(", which takes files of up to %s", byteSize(float64(limit/4*3)))
		}
	}
	return errors.New(text + ": copy the file to its files directory by other means")
}
