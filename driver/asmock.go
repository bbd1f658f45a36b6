package driver

import (
	"context"

	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
)

func (d *Driver) captureAsMock(_ context.Context, seq int) (string, error) {
	e, err := d.view.Entry("capture_as_mock", seq)
	if err != nil {
		return "", err
	}
	key, text, err := scenario.AsMock(e, d.cfg.Directories.Files)
	if err != nil {
		return "", rpc.Refuse(rpc.FailedPrecondition, "capture_as_mock: %v", err)
	}
	return rpc.JSON(map[string]string{"key": key, "definition": text})
}
