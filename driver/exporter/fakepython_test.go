package exporter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"starproxy/driver/exporter/part"
	"starproxy/driver/pb"
)

// pythonPart is a part that behaves as Python does, by this test binary.
func pythonPart(patience time.Duration) *part.Part {
	return part.New(part.Program{Name: "the Python part", Patience: patience, Command: func() (*exec.Cmd, error) {
		self, err := os.Executable()
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), hostVariable+"=python")
		return cmd, err
	}})
}

// fakePython serves one session after the other, with drivers whose methods do
// what the tests need.
func fakePython() {
	var serving *pythonSession
	end := func() {
		if serving != nil {
			serving.close()
			serving = nil
		}
	}
	err := part.Serve(os.Stdin, os.Stdout, func(c part.Command) (any, error) {
		end()
		if c.Do != "open" {
			return nil, nil
		}
		var session struct {
			Export string `json:"export"`
		}
		if err := json.Unmarshal(c.Session, &session); err != nil {
			return nil, err
		}
		s := &pythonSession{log: make(chan *pb.LogStreamResponse, 16), taken: map[string]int{}}
		var tree, inner yaml.Node
		if err := errors.Join(yaml.Unmarshal([]byte(session.Export), &tree), yaml.Unmarshal([]byte("inner: {type: fake.Inner}"), &inner)); err != nil {
			return nil, err
		}
		s.root, s.inner = tree.Content[0], inner.Content[0]
		s.ids = map[*yaml.Node]string{}
		s.report = append(s.report, &pb.DriverInstanceReport{Uuid: uuid.NewString(), Labels: map[string]string{labelClient: clientComposite}})
		if err := s.describe(s.root, s.report[0].Uuid); err != nil {
			return nil, err
		}
		path, err := s.listen()
		serving = s
		return path, err
	})
	end()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pythonSession answers as a stock session does.
type pythonSession struct {
	pb.UnimplementedExporterServiceServer
	pb.UnimplementedRouterServiceServer

	root   *yaml.Node
	inner  *yaml.Node // the children of a board
	ids    map[*yaml.Node]string
	report []*pb.DriverInstanceReport
	server *grpc.Server
	dir    string
	log    chan *pb.LogStreamResponse
	left   atomic.Int32 // calls whose client has left

	mu    sync.Mutex
	taken map[string]int // bytes of resources by their handles
}

// describe adds the drivers of a map to the report.
func (s *pythonSession) describe(nodes *yaml.Node, parent string) error {
	for i := 0; i+1 < len(nodes.Content); i += 2 {
		name, node := nodes.Content[i].Value, nodes.Content[i+1]
		if ref := value(node, "ref"); ref != nil {
			node = s.root
			children := s.root
			for step := range strings.SplitSeq(ref.Value, ".") {
				if node = value(children, step); node == nil {
					return fmt.Errorf("no driver %s", ref.Value)
				}
				children = s.children(node)
			}
		}
		switch typeOf(node) {
		case "fake.Refuse":
			return errors.New("ValueError: no such device")
		case "fake.Hang":
			time.Sleep(time.Hour)
		case "fake.Garbage":
			fmt.Println("hello\n[1]\n{\"id\":")
		}
		r := &pb.DriverInstanceReport{Uuid: s.id(node), ParentUuid: &parent, Labels: map[string]string{labelClient: typeOf(node) + "Client", labelName: name}}
		if d := value(node, "description"); d != nil {
			r.Description = &d.Value
		}
		s.report = append(s.report, r)
		if err := s.describe(s.children(node), s.ids[node]); err != nil {
			return err
		}
	}
	return nil
}

// children are the drivers below a node. A board makes one that no file names.
func (s *pythonSession) children(node *yaml.Node) *yaml.Node {
	if typeOf(node) == "fake.Board" {
		return s.inner
	}
	if children := value(node, "children"); children != nil {
		return children
	}
	return &yaml.Node{Kind: yaml.MappingNode}
}

// id is the uuid of a node, the same wherever that is named.
func (s *pythonSession) id(node *yaml.Node) string {
	if s.ids[node] == "" {
		s.ids[node] = uuid.NewString()
	}
	return s.ids[node]
}

// listen serves on a socket in a directory of its own, and tells where.
func (s *pythonSession) listen() (string, error) {
	var err error
	if s.dir, err = os.MkdirTemp("", "fake-"); err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		return "", err
	}
	s.server = grpc.NewServer(grpc.MaxRecvMsgSize(maxRequest))
	pb.RegisterExporterServiceServer(s.server, s)
	pb.RegisterRouterServiceServer(s.server, s)
	go s.server.Serve(ln)
	return path, nil
}

func (s *pythonSession) close() {
	s.server.Stop()
	os.RemoveAll(s.dir)
}

func (s *pythonSession) GetReport(context.Context, *emptypb.Empty) (*pb.GetReportResponse, error) {
	return &pb.GetReportResponse{Uuid: uuid.NewString(), Reports: s.report}, nil
}

func (s *pythonSession) DriverCall(ctx context.Context, req *pb.DriverCallRequest) (*pb.DriverCallResponse, error) {
	result := structpb.NewNullValue()
	switch req.GetMethod() {
	case "whoami":
		result = structpb.NewStringValue(req.GetUuid())
	case "echo":
		result = structpb.NewListValue(&structpb.ListValue{Values: req.GetArgs()})
	case "fail":
		detail, _ := structpb.NewStruct(map[string]any{"why": "told"})
		failure, err := status.New(codes.Code(req.GetArgs()[0].GetNumberValue()), req.GetArgs()[1].GetStringValue()).WithDetails(detail)
		if err != nil {
			return nil, err
		}
		return nil, failure.Err()
	case "hold":
		<-ctx.Done()
		s.left.Add(1)
		return nil, ctx.Err()
	case "left":
		result = structpb.NewNumberValue(float64(s.left.Load()))
	case "pid":
		result = structpb.NewNumberValue(float64(os.Getpid()))
	case "taken":
		s.mu.Lock()
		defer s.mu.Unlock()
		result = structpb.NewNumberValue(float64(s.taken[req.GetArgs()[0].GetStringValue()]))
	case "say":
		s.log <- &pb.LogStreamResponse{Severity: "CRITICAL", Message: req.GetArgs()[0].GetStringValue(), Source: pb.LogSource_LOG_SOURCE_DRIVER.Enum(),
			DriverType: proto.String("serial"), Operation: proto.String("say"), StructuredFields: map[string]string{"n": "1"}}
	case "die":
		fmt.Fprintln(os.Stderr, "out of luck")
		os.Exit(3)
	case "stop": // as a process that a debugger holds
		exec.Command("kill", "-STOP", strconv.Itoa(os.Getpid())).Run()
	default:
		return nil, status.Errorf(codes.NotFound, "method %s not found on driver", req.GetMethod())
	}
	return &pb.DriverCallResponse{Uuid: uuid.NewString(), Result: result}, nil
}

func (s *pythonSession) StreamingDriverCall(req *pb.StreamingDriverCallRequest, stream grpc.ServerStreamingServer[pb.StreamingDriverCallResponse]) error {
	send := func(i int) error {
		return stream.Send(&pb.StreamingDriverCallResponse{Uuid: uuid.NewString(), Result: structpb.NewNumberValue(float64(i))})
	}
	switch req.GetMethod() {
	case "count":
		for i := range int(req.GetArgs()[0].GetNumberValue()) {
			if err := send(i); err != nil {
				return err
			}
		}
		return nil
	case "half":
		if err := send(1); err != nil {
			return err
		}
		return status.Error(codes.InvalidArgument, "broke\n  after one")
	case "forever":
		if err := send(1); err != nil {
			return err
		}
		<-stream.Context().Done()
		s.left.Add(1)
		return stream.Context().Err()
	}
	return status.Errorf(codes.NotFound, "method %s not found on driver", req.GetMethod())
}

// Stream repeats what it is sent, or takes a resource. As Python does, it never
// ends by itself.
func (s *pythonSession) Stream(stream routerStream) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	var request struct {
		Kind     string  `json:"kind"`
		UUID     string  `json:"uuid"`
		Method   string  `json:"method"`
		Encoding *string `json:"x_jmp_content_encoding"`
	}
	if err := json.Unmarshal([]byte(strings.Join(md.Get("request"), "")), &request); err != nil {
		return status.Error(codes.Unknown, err.Error())
	}
	defer s.left.Add(1)
	header, handle := metadata.MD{}, uuid.NewString()
	if request.Kind == "resource" {
		resource, err := json.Marshal(map[string]any{"kind": "client_stream", "uuid": handle, "x_jmp_content_encoding": request.Encoding})
		if err != nil {
			return err
		}
		header.Set("resource", string(resource))
		if request.Encoding != nil {
			header.Set("x_jmp_accept_encoding", *request.Encoding)
		}
	} else if request.Method != "mirror" {
		return status.Errorf(codes.NotFound, "method %s not found on driver", request.Method)
	}
	if err := stream.SendHeader(header); err != nil {
		return err
	}
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) || frame.GetFrameType() == pb.FrameType_FRAME_TYPE_GOAWAY {
			break
		}
		if err != nil {
			return err
		}
		if request.Kind == "resource" {
			s.mu.Lock()
			s.taken[handle] += len(frame.GetPayload())
			s.mu.Unlock()
			continue
		}
		if err := stream.Send(&pb.StreamResponse{Payload: frame.GetPayload(), FrameType: frame.GetFrameType()}); err != nil {
			return err
		}
	}
	if request.Kind != "resource" {
		if err := stream.Send(&pb.StreamResponse{Payload: []byte("bye")}); err != nil {
			return err
		}
	}
	if err := stream.Send(&pb.StreamResponse{FrameType: pb.FrameType_FRAME_TYPE_GOAWAY}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (s *pythonSession) LogStream(_ *emptypb.Empty, stream grpc.ServerStreamingServer[pb.LogStreamResponse]) error {
	for {
		select {
		case r := <-s.log:
			if err := stream.Send(r); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return nil
		}
	}
}
