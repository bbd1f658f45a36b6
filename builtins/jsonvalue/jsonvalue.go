// Package jsonvalue holds JSON values in Go without losing anything of them:
// objects keep the order of their keys, numbers their digits.
//
// A JSON value is nil, bool, string, int64, float64, [json.Number], []any or
// [Object]; map[string]any is accepted where a value goes in, and counts as an
// object whose keys are in alphabetical order. A json.Number is a number as it
// was written: one that int64 can't hold, or that float64 would spell otherwise.
package jsonvalue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Object is a JSON object that keeps its keys in order. No key is there twice.
type Object []Member

// Member is a key of an object and its value.
type Member struct {
	Key   string
	Value any
}

// Get returns the value of a key, and whether it is there.
func (o Object) Get(key string) (any, bool) {
	if i := o.index(key); i >= 0 {
		return o[i].Value, true
	}
	return nil, false
}

func (o Object) index(key string) int {
	return slices.IndexFunc(o, func(m Member) bool { return m.Key == key })
}

// MarshalJSON returns the object as compact JSON, keys in their order.
func (o Object) MarshalJSON() ([]byte, error) { return Append(nil, o) }

// Builder makes an object of keys that may come twice: the last value counts,
// in the place of the first. The zero Builder is empty.
type Builder struct {
	object Object
	places map[string]int // nil while the object is small
}

// manyKeys is from how many keys on a map finds them faster than a look at each.
const manyKeys = 16

// From begins with the keys of an object, which is not changed.
func From(o Object) *Builder { return &Builder{object: slices.Clone(o)} }

// Get returns the value of a key, and whether it is there.
func (b *Builder) Get(key string) (any, bool) {
	if i, ok := b.place(key); ok {
		return b.object[i].Value, true
	}
	return nil, false
}

// Set gives a key its value; a new key goes to the end.
func (b *Builder) Set(key string, value any) {
	if i, ok := b.place(key); ok {
		b.object[i].Value = value
		return
	}
	if b.places != nil {
		b.places[key] = len(b.object)
	}
	b.object = append(b.object, Member{key, value})
}

// Object returns what was built. The Builder must not be used any more.
func (b *Builder) Object() Object {
	if b.object == nil {
		return Object{}
	}
	return b.object
}

func (b *Builder) place(key string) (int, bool) {
	if b.places == nil {
		if len(b.object) < manyKeys {
			i := b.object.index(key)
			return i, i >= 0
		}
		b.places = make(map[string]int, 2*len(b.object))
		for i, m := range b.object {
			b.places[m.Key] = i
		}
	}
	i, ok := b.places[key]
	return i, ok
}

// Sorted returns a map as an object, its keys in alphabetical order.
func Sorted(m map[string]any) Object {
	o := make(Object, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		o = append(o, Member{key, m[key]})
	}
	return o
}

// Plain returns v with maps in the place of objects. What has none is shared.
func Plain(v any) any {
	switch v := v.(type) {
	case Object:
		m := make(map[string]any, len(v))
		for _, e := range v {
			m[e.Key] = Plain(e.Value)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = Plain(e)
		}
		return list
	}
	return v
}

// Parse reads one JSON text. Whole numbers within int64 become int64, all others stay
// as they are written. Of a key that comes twice the last value counts. Bytes that
// are not UTF-8 become U+FFFD. Errors tell the byte of a mistake, counted from 1.
func Parse(data []byte) (any, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	v, err := next(dec)
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("byte %d: %w", syntax.ByteOffset+1, syntax.Err)
	case err == io.EOF:
		return nil, errors.New("no value")
	case err != nil:
		return nil, err
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return nil, errors.New("more after the first value")
	}
	return v, nil
}

func next(dec *jsontext.Decoder) (any, error) {
	token, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case 't', 'f':
		return token.Bool(), nil
	case '"':
		return token.String(), nil
	case '0':
		return Number(token.String()), nil
	case '[':
		return elements(dec)
	case '{':
		return members(dec)
	}
	return nil, nil // null
}

func elements(dec *jsontext.Decoder) (any, error) {
	list := []any{}
	for dec.PeekKind() != ']' {
		v, err := next(dec)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := dec.ReadToken()
	return list, err
}

func members(dec *jsontext.Decoder) (any, error) {
	var b Builder
	for dec.PeekKind() != '}' {
		token, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		key := token.String()
		v, err := next(dec)
		if err != nil {
			return nil, err
		}
		b.Set(key, v)
	}
	_, err := dec.ReadToken()
	return b.Object(), err
}
