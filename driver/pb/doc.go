// Package pb is the Jumpstarter protocol: our .proto files, written from the
// protocol's tables of names and numbers, and the Go that protoc makes of them.
//
// Messages are plain data and must not be shared between goroutines while one
// of them writes. The exporter serves these services, the client calls them.
// The leasing API (jumpstarter.client.v1) is in package leasing. Telemetry is
// left out: nothing here speaks it.
package pb

//go:generate protoc --proto_path=. --go_out=. --go_opt=module=starproxy/driver/pb --go-grpc_out=. --go-grpc_opt=module=starproxy/driver/pb jumpstarter/v1/common.proto jumpstarter/v1/kubernetes.proto jumpstarter/v1/router.proto jumpstarter/v1/jumpstarter.proto jumpstarter/client/v1/client.proto
