// Package a makes answers in every way that the reference reads, and in four that it cannot.
package a

const byConstant = "by_constant"

func constant(name, why string) error {
	const at = "at"
	return &es.Refusal{Code: byConstant, Field: at + ".name", Reason: name + why}
}

func plain(name string) error {
	return &es.Refusal{Code: "plain", Reason: "no `" + name + "` here"}
}

func refuse(code, field, reason, remedy string) error {
	return &es.Refusal{Code: code, Field: field, Reason: reason, Remedy: remedy}
}

func exceeds(code, of string) error { return refuse(code, of, "first and "+of, "second") }

func called(n string) error {
	const field = "a"
	if n == "" {
		return exceeds("of_two_functions", "the field")
	}
	return refuse("by_function", field+".b", fmt.Sprintf("4 is too many, not %q", n), "use less")
}

func word(s Stage) error { return refuse("exceeds_"+term.Word(s), "", s.String(), "") }

func assigned(out *Answer, err error) {
	out.Outcome, out.Code, out.Reason, out.Remedy = "busy", "assigned", err.Error(), "wait"
}

type FullError struct{}

func (*FullError) Code() string   { return "store_told" }
func (*FullError) Remedy() string { return "free it" }

func passedOn(a *Answer, told adviser) *Answer {
	b := &Answer{Code: a.Code, Reason: a.Reason}
	b.Code = told.Code()
	return b
}

func hidden(code map[string]string, out *Answer) error {
	out.Code = code["a"]
	if out == nil {
		return &es.Refusal{Reason: "without a code"}
	}
	return refuse(fmt.Sprint("made_", out), "", "", "")
}

func (FullError) Exported(code string) error { return &es.Refusal{Code: code, Reason: "called from elsewhere"} }
