// Package term names the values of closed lists as people write them: STAGE_HANDED_OVER is `handed_over`.
package term

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Word returns an enum value's word, `unspecified` for its zero. A number that this program does not know is written in digits.
func Word(e protoreflect.Enum) string {
	if w, ok := wordsOf(e.Descriptor()).byNumber[e.Number()]; ok {
		return w
	}
	return strconv.Itoa(int(e.Number()))
}

// Parse returns the value of a word. `unspecified` and digits are no words: a value that is missing is left out, not written.
func Parse[E interface {
	protoreflect.Enum
	~int32
}](word string) (E, error) {
	var zero E
	list := wordsOf(zero.Descriptor())
	if n, ok := list.byWord[word]; ok {
		return E(n), nil
	}
	return zero, fmt.Errorf("%q is no %s: use one of %s", word, list.noun, list.allowed)
}

// Words returns the words of an enum in the order of its schema, without `unspecified`.
func Words(e protoreflect.Enum) []string {
	return strings.Split(wordsOf(e.Descriptor()).allowed, ", ")
}

type words struct {
	noun     string // such as `value status`
	allowed  string // joined by ", "
	byNumber map[protoreflect.EnumNumber]string
	byWord   map[string]protoreflect.EnumNumber
}

// lists remembers what has been derived from a schema, which never changes while a program runs.
var lists sync.Map // protoreflect.FullName → *words

func wordsOf(d protoreflect.EnumDescriptor) *words {
	if w, ok := lists.Load(d.FullName()); ok {
		return w.(*words)
	}
	w, _ := lists.LoadOrStore(d.FullName(), derive(d))
	return w.(*words)
}

func derive(d protoreflect.EnumDescriptor) *words {
	const zeroWord = "UNSPECIFIED"
	// Every enum's zero is its prefix and UNSPECIFIED; buf lint sees to that.
	prefix := strings.TrimSuffix(string(d.Values().ByNumber(0).Name()), zeroWord)
	w := &words{
		noun:     strings.ToLower(strings.ReplaceAll(strings.TrimSuffix(prefix, "_"), "_", " ")),
		byNumber: map[protoreflect.EnumNumber]string{},
		byWord:   map[string]protoreflect.EnumNumber{},
	}
	var allowed []string
	for i := range d.Values().Len() {
		v := d.Values().Get(i)
		word := strings.ToLower(strings.TrimPrefix(string(v.Name()), prefix))
		w.byNumber[v.Number()] = word
		if v.Number() != 0 {
			w.byWord[word] = v.Number()
			allowed = append(allowed, word)
		}
	}
	w.allowed = strings.Join(allowed, ", ")
	return w
}
