package answer

import (
	"cmp"
	"encoding/json"
	"strings"
)

// Complaint is what an error body says; what it does not say is empty.
type Complaint struct {
	Code, Message, RequestID string
}

// ReadComplaint reads an error body, of which a member of another type than
// expected costs none of the others.
func ReadComplaint(body []byte) Complaint {
	var e errorBody
	_ = json.Unmarshal(body, &e)
	return Complaint{Code: scalar(e.Code), Message: e.message(), RequestID: scalar(e.RequestID)}
}

// errorBody is the union of the error bodies of both services: minapp's
// error_msg and its variants, MOI's envelope, its 422 without one, and its 400
// with only an error.
type errorBody struct {
	ErrorMsg     string          `json:"error_msg"`
	Message      string          `json:"message"`
	ErrorMessage string          `json:"error_message"`
	Error        json.RawMessage `json:"error"`
	Code         json.RawMessage `json:"code"`
	Msg          string          `json:"msg"`
	Detail       json.RawMessage `json:"detail"` // a list of complaints, or a text
	RequestID    json.RawMessage `json:"request_id"`
}

type detail struct {
	Loc []any  `json:"loc"`
	Msg string `json:"msg"`
}

func (e *errorBody) message() string {
	for _, text := range []string{e.ErrorMsg, e.Message, e.ErrorMessage, e.Msg} {
		if text != "" {
			return text
		}
	}
	var details []detail
	if _ = json.Unmarshal(e.Detail, &details); len(details) > 0 {
		return details[0].String()
	}
	var nested struct {
		Message string `json:"message"`
		ErrMsg  string `json:"err_msg"`
	}
	if json.Unmarshal(e.Error, &nested) == nil && nested.Message+nested.ErrMsg != "" {
		return nested.Message + nested.ErrMsg
	}
	return cmp.Or(scalar(e.Error), scalar(e.Detail))
}

// String joins the place and the text of one complaint: "body.files: missing".
func (d detail) String() string {
	var parts []string
	for _, p := range d.Loc {
		if data, err := json.Marshal(p); err == nil {
			parts = append(parts, strings.Trim(string(data), `"`))
		}
	}
	return strings.Join(parts, ".") + ": " + d.Msg
}

// scalar is the text of a JSON string or number, and "" for anything else.
func scalar(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}
