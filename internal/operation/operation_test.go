package operation

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOperationTable(t *testing.T) {
	names := map[string]bool{}
	for _, op := range Operations() {
		assert.False(t, names[op.Name], "%s is there twice", op.Name)
		names[op.Name] = true
		assert.NotEmpty(t, op.Source, op.Name)
		assert.Equal(t, op.Service != MOI, strings.HasSuffix(op.Path, "/"), "%s: minapp URLs end in a slash, MOI's do not", op.Name)
		assert.Equal(t, op.Method == http.MethodGet || op.Service == MOI && op.Safety == Read || op == OAuthCode, op.Safety == Read, op.Name)
		assert.False(t, op.Method == http.MethodPost && op.Safety == Idempotent, "%s: a POST creates", op.Name)
	}
}
