package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"

	"google.golang.org/grpc/codes"

	"starproxy/driver/client"
)

// upload sends a file to the exporter's files directory under name.
func (p proxy) upload(ctx context.Context, sys *System, name, local string) error {
	data, err := os.ReadFile(local)
	if err != nil {
		return err
	}
	_, err = p.text(ctx, []string{"Uploaded"}, "upload_mock_file", name, base64.StdEncoding.EncodeToString(data))
	if errors.Is(err, &client.Error{Code: codes.ResourceExhausted}) {
		return fmt.Errorf("%s is too large for this exporter: a Python exporter takes files of up to 3 MB", byteSize(float64(len(data))))
	}
	return err
}
