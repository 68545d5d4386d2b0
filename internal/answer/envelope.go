package answer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// envelope is how MOI wraps every answer; the code decides, not the status.
type envelope struct {
	Code json.RawMessage `json:"code"`
	Data json.RawMessage `json:"data"`
}

// OpenEnvelope returns the data of a MOI answer and whether its code says success:
// "ok" in any case, or the number 0. A body without a code is a protocol error.
func OpenEnvelope(body []byte) (data []byte, ok bool, err error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	code := scalar(e.Code)
	if code == "" {
		return nil, false, fmt.Errorf("%w: no code in the envelope", ErrProtocol)
	}
	return e.Data, code == "0" || strings.EqualFold(code, "ok"), nil
}
