package driver

import (
	"bytes"
	"context"
	"errors"
	"io/fs"

	"starproxy/builtins/disk"
	"starproxy/driver/ca"
	"starproxy/driver/rpc"
)

// rows are for the table of methods.
func (a *authority) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("get_ca_cert_path", "Give the path of the CA certificate on the exporter.", a.getCertPath),
		rpc.New("get_ca_cert", "Give the CA certificate in PEM.", a.getCert),
	}
}

func (a *authority) getCertPath(ctx context.Context) (string, error) {
	path := ca.CertPath(a.dir)
	if _, err := a.read(ctx); errors.Is(err, fs.ErrNotExist) {
		return "", noCertificate(path)
	} else if ctx.Err() != nil {
		return "", err
	}
	return path, nil
}

func (a *authority) getCert(ctx context.Context) (string, error) {
	pem, err := a.read(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return "", marked(noCertificate(ca.CertPath(a.dir)))
	}
	return string(pem), err
}

// read reads the certificate. It waits for one that a start has asked for.
func (a *authority) read(ctx context.Context) ([]byte, error) {
	if !a.shown.Load() {
		return nil, fs.ErrNotExist
	}
	if _, err := a.get(ctx); ctx.Err() != nil {
		return nil, err
	}
	path := ca.CertPath(a.dir)
	pem, err := disk.Read(path, disk.MaxDocument)
	if bytes.Contains(pem, []byte("PRIVATE KEY")) {
		return nil, rpc.Refuse(rpc.FailedPrecondition, "CA certificate %s: got a private key, want certificates only", path)
	}
	return pem, err
}
