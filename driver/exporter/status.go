package exporter

import (
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"starproxy/driver/pb"
)

// sessionStatus is the status that GetStatus returns, with the one before.
type sessionStatus struct {
	mu       sync.Mutex
	current  pb.ExporterStatus
	previous *pb.ExporterStatus
	message  string
	version  uint64
}

func newSessionStatus(current pb.ExporterStatus, message string) *sessionStatus {
	return &sessionStatus{current: current, message: message}
}

func (s *sessionStatus) set(current pb.ExporterStatus, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.previous = s.current.Enum()
	s.current = current
	s.message = message
	s.version++
}

func (s *sessionStatus) get() *pb.GetStatusResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &pb.GetStatusResponse{
		Status:         s.current,
		Message:        proto.String(s.message),
		StatusVersion:  s.version,
		PreviousStatus: s.previous,
	}
}

// gate refuses driver calls while nobody may make any.
func (s *sessionStatus) gate() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.current {
	case pb.ExporterStatus_EXPORTER_STATUS_LEASE_READY,
		pb.ExporterStatus_EXPORTER_STATUS_BEFORE_LEASE_HOOK,
		pb.ExporterStatus_EXPORTER_STATUS_AFTER_LEASE_HOOK:
		return nil
	}
	return status.Errorf(codes.FailedPrecondition, "Exporter not ready for driver calls (status: %s)",
		strings.TrimPrefix(s.current.String(), "EXPORTER_STATUS_"))
}
