package document

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/nearest"
)

// Decode reads a YAML or JSON document into dst, a pointer, usually to a struct
// whose fields carry `yaml:"name"` tags (",inline" puts an embedded struct's keys
// among its parent's, "-" leaves a field out; an untagged field is known by its
// name in lower case).
//
// It is strict: an unknown key, a key given twice and a value of the wrong type
// are errors. Each is an [*Error] with the place, the wanted type and the nearest
// known key. A key that the document leaves out, or sets to null, keeps the value
// that dst had. A [time.Duration] is written "250ms" or "1m30s". A field
// of type [yaml.Node] takes any value, for [DecodeNode] later; one of type any
// takes JSON values, with int64 for whole numbers and json.Number for all others.
//
// A name that ends in .json is read as JSON, every other as YAML.
func Decode(filename string, data []byte, dst any) error {
	n, err := Read(filename, data)
	if err != nil {
		return err
	}
	return DecodeNode(filename, n, dst)
}

// DecodeNode is [Decode] for a part of a document that Decode read into a yaml.Node.
func DecodeNode(filename string, n *yaml.Node, dst any) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("decode %s: the destination is a %T, not a pointer", filename, dst)
	}
	if n.Kind == 0 {
		return nil
	}
	return InFile(filename, assign(n, v.Elem(), ""))
}

// DecodeAt is [DecodeNode] for a node at a path of keys. Errors begin with the path.
func DecodeAt(n *yaml.Node, dst any, path string) error {
	return assign(n, reflect.ValueOf(dst).Elem(), path)
}

// Wrong returns the error for a value that is not of the wanted type.
func Wrong(n *yaml.Node, path, want string) error {
	hint := ""
	if want == "text" && n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		hint = "; put it in quotes"
	}
	if path != "" {
		path += ": "
	}
	return Errorf(n, "%sgot %s, want %s%s", path, Describe(n), want, hint)
}

func assign(n *yaml.Node, v reflect.Value, path string) error {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if v.Type() == reflect.TypeFor[yaml.Node]() {
		v.Set(reflect.ValueOf(*n))
		return nil
	}
	if n.Tag == BinaryTag {
		return RefuseBinary(n)
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return assign(n, v.Elem(), path)
	}
	if v.CanAddr() && v.Addr().CanInterface() {
		if done, err := assignCustom(n, v.Addr().Interface(), path); done {
			return err
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		return assignStruct(n, v, path)
	case reflect.Map:
		return assignMap(n, v, path)
	case reflect.Slice:
		return assignList(n, v, path)
	case reflect.Interface:
		return assignAny(n, v)
	default:
		return assignScalar(n, v, path)
	}
}

func assignList(n *yaml.Node, v reflect.Value, path string) error {
	if n.Kind != yaml.SequenceNode {
		return Wrong(n, path, "a list")
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		if err := assign(c, out.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// assignAny sets v, an empty interface, to n as JSON values have it.
func assignAny(n *yaml.Node, v reflect.Value) error {
	if v.NumMethod() > 0 {
		return unfillable(v)
	}
	if err := RefuseBinary(n); err != nil {
		return err
	}
	v.Set(reflect.ValueOf(jsonvalue.Plain(Value(n))))
	return nil
}

// unfillable returns the error for a Go type that no document can fill.
func unfillable(v reflect.Value) error {
	return fmt.Errorf("decode: a document can't fill a %s", v.Type())
}

// assignScalar sets v, a duration, text, truth value or number.
func assignScalar(n *yaml.Node, v reflect.Value, path string) error {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			return Wrong(n, path, `a duration such as 250ms or 1m30s`)
		}
		v.SetInt(int64(d))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
			return Wrong(n, path, "text")
		}
		v.SetString(n.Value)
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			return Wrong(n, path, "true or false")
		}
		v.SetBool(Truth(n))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, ok := Whole(n)
		if !ok || v.OverflowInt(i) {
			return Wrong(n, path, "a whole number")
		}
		v.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		i, ok := exact(n)
		if !ok || !i.IsUint64() || v.OverflowUint(i.Uint64()) {
			return Wrong(n, path, fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64)>>(64-v.Type().Bits())))
		}
		v.SetUint(i.Uint64())
	case reflect.Float32, reflect.Float64:
		f, ok := Float(n)
		if !ok {
			return Wrong(n, path, "a number")
		}
		v.SetFloat(f)
	default:
		return unfillable(v)
	}
	return nil
}

// RefuseBinary returns an error if n, or a node in it, is bytes.
func RefuseBinary(n *yaml.Node) error {
	if n.Tag == BinaryTag {
		return Errorf(n, "got the tag !!binary, want text, a number, true, false or null; bytes can only be the body of a mock")
	}
	for _, c := range n.Content {
		if err := RefuseBinary(c); err != nil {
			return err
		}
	}
	return nil
}

// assignCustom calls the method of a type that decodes itself. done is false for
// a type without one.
func assignCustom(n *yaml.Node, dst any, path string) (done bool, err error) {
	switch u := dst.(type) {
	case yaml.Unmarshaler:
		err = u.UnmarshalYAML(n)
	case encoding.TextUnmarshaler:
		if n.Kind != yaml.ScalarNode {
			return true, Wrong(n, path, "text")
		}
		err = u.UnmarshalText([]byte(n.Value))
	default:
		return false, nil
	}
	var placed *Error
	if err == nil || errors.As(err, &placed) {
		return true, err
	}
	if path != "" {
		path += ": "
	}
	return true, Errorf(n, "%s%v", path, err)
}

func assignMap(n *yaml.Node, v reflect.Value, path string) error {
	if v.Type().Key().Kind() != reflect.String {
		return fmt.Errorf("decode: a document can't fill a %s", v.Type())
	}
	if n.Kind != yaml.MappingNode {
		return Wrong(n, path, "a map")
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	for key, value := range Pairs(n) {
		k := key.Value
		e := reflect.New(v.Type().Elem()).Elem()
		if err := assign(value, e, Join(path, k)); err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), e)
	}
	v.Set(out)
	return nil
}

func assignStruct(n *yaml.Node, v reflect.Value, path string) error {
	if n.Kind != yaml.MappingNode {
		return Wrong(n, path, "a map")
	}
	fields := map[string][]int{}
	structFields(v.Type(), nil, fields)
	for k, value := range Pairs(n) {
		index, ok := fields[k.Value]
		if !ok {
			known := make([]string, 0, len(fields))
			for f := range fields {
				known = append(known, f)
			}
			return UnknownKey(k, path, known)
		}
		if err := assign(value, v.FieldByIndex(index), Join(path, k.Value)); err != nil {
			return err
		}
	}
	return nil
}

func structFields(t reflect.Type, prefix []int, fields map[string][]int) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		index := append(slices.Clone(prefix), i)
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
		case strings.Contains(opts, "inline") && f.Type.Kind() == reflect.Struct:
			structFields(f.Type, index, fields)
		case !f.IsExported():
		case name == "":
			fields[strings.ToLower(f.Name)] = index
		default:
			fields[name] = index
		}
	}
}

// UnknownKey returns the error for a key that is not among known.
func UnknownKey(k *yaml.Node, path string, known []string) error {
	in := ""
	if path != "" {
		in = " in " + path
	}
	near := ownWord(k.Value)
	if !slices.Contains(known, near) {
		near = nearest.Name(k.Value, known)
	}
	if near != "" {
		return Errorf(k, "unknown key %q%s; did you mean %q?", k.Value, in, near)
	}
	slices.Sort(known)
	return Errorf(k, "unknown key %q%s; want one of %s", k.Value, in, strings.Join(known, ", "))
}

// Join returns the path of a key in the map at path.
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
