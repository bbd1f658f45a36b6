package render

import (
	"fmt"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Protos names the messages, fields and methods of Protocol Buffers.
type Protos struct{ files *protoregistry.Files }

// maxProtos is the size of the largest file of descriptors, in bytes.
const maxProtos = 64 << 20

// LoadProtos reads files of the message FileDescriptorSet, which protoc writes with
// --descriptor_set_out and --include_imports, and buf with `buf build -o FILE.binpb`. A file
// that several of them have is taken from the first. It returns nil for no paths.
func LoadProtos(paths []string) (*Protos, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	all, known := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	for _, path := range paths {
		set, err := readProtos(path)
		if err != nil {
			return nil, err
		}
		for _, f := range set.File {
			if !known[f.GetName()] {
				known[f.GetName()] = true
				all.File = append(all.File, f)
			}
		}
	}
	for _, f := range all.File { // those of Google may be left out
		for _, name := range f.Dependency {
			if known[name] || !strings.HasPrefix(name, "google/protobuf/") {
				continue
			}
			if own, err := protoregistry.GlobalFiles.FindFileByPath(name); err == nil {
				known[name] = true
				all.File = append(all.File, protodesc.ToFileDescriptorProto(own))
			}
		}
	}
	files, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(all)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(paths, ", "), err)
	}
	return &Protos{files}, nil
}

func readProtos(path string) (*descriptorpb.FileDescriptorSet, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxProtos || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: got %d bytes, want a file of at most %d", path, info.Size(), maxProtos)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(data, set); err != nil || len(set.File) == 0 {
		return nil, fmt.Errorf("%s: got no FileDescriptorSet, want a file as protoc --descriptor_set_out writes it", path)
	}
	return set, nil
}

// message returns the message with a full name, nil when it is not known.
func (p *Protos) message(name string) protoreflect.MessageDescriptor {
	if p == nil || !protoreflect.FullName(name).IsValid() {
		return nil
	}
	d, err := p.files.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil
	}
	m, _ := d.(protoreflect.MessageDescriptor)
	return m
}

// method returns the message that a call carries: path is /pkg.Service/Method, behind any
// prefix.
func (p *Protos) method(path string, response bool) protoreflect.MessageDescriptor {
	parts := strings.Split(path, "/")
	if p == nil || len(parts) < 3 {
		return nil
	}
	service := protoreflect.FullName(parts[len(parts)-2])
	if !service.IsValid() {
		return nil
	}
	d, err := p.files.FindDescriptorByName(service)
	if err != nil {
		return nil
	}
	s, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil
	}
	m := s.Methods().ByName(protoreflect.Name(parts[len(parts)-1]))
	switch {
	case m == nil:
		return nil
	case response:
		return m.Output()
	}
	return m.Input()
}
