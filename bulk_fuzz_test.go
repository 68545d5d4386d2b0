package minapp_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
)

// stated reads the answer to a bulk create in the plainest way: the state that
// it claims for each of n rows, all unknown if it does not add up. It is nil if
// names are spelled in two ways, of which encoding/json takes whichever is last.
func stated(answer string, n int) []minapp.State {
	unknown := make([]minapp.State, n)
	var a map[string]any
	if json.Unmarshal([]byte(answer), &a) != nil {
		return unknown
	}
	results, _ := a["operation_result"].([]any)
	if misspelled(a) {
		return nil
	}
	states, written := make([]minapp.State, len(results)), 0
	ids := make(map[any]int)
	for i, r := range results {
		item, _ := r.(map[string]any)
		if misspelled(item) {
			return nil
		}
		success, _ := item["success"].(map[string]any)
		switch {
		case success != nil && item["error"] == nil:
			states[i] = minapp.Written
			written++
			ids[success["id"]]++
		case item["success"] == nil && item["error"] != nil:
			states[i] = minapp.Rejected
		}
	}
	delete(ids, nil)
	delete(ids, "")
	for _, times := range ids {
		if times > 1 && written < n {
			return unknown
		}
	}
	succeed := a["succeed"]
	if len(results) != n || succeed != nil && succeed != float64(written) {
		return unknown
	}
	return states
}

// misspelled reports a name that only encoding/json takes for one of ours.
func misspelled(object map[string]any) bool {
	for name := range object {
		for _, ours := range []string{"operation_result", "succeed", "success", "error"} {
			if name != ours && strings.EqualFold(name, ours) {
				return true
			}
		}
	}
	return false
}

// Whatever is answered: every row has one outcome at its position, totals add
// up, and nothing is claimed that the answer does not state.
func FuzzBulkAnswer(f *testing.F) {
	for _, answer := range bulkAnswers() {
		f.Add(answer, uint8(3), uint8(0), uint8(0))
		f.Add(answer, uint8(8), uint8(3), uint8(3))
	}
	f.Fuzz(func(t *testing.T, answer string, n, size, parallel uint8) {
		rows, batch := 1+int(n%16), 1+int(size%16)
		if stated(answer, rows) == nil {
			t.Skip("names in two spellings")
		}
		client, _ := mocked(t, httpmock.NewStringResponder(http.StatusCreated, answer),
			minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1}))
		table := minapp.TableOf[article](client, 1)

		b, err := table.CreateMany(t.Context(), articles(rows))
		checkClaims(t, answer, b, err)
		require.EqualValues(t, rows, b.Totals.Read)

		next, sum := 0, minapp.Totals{}
		for b, err := range table.CreateAll(t.Context(), input(rows), minapp.BatchOptions{Size: batch, Parallel: int(parallel % 5)}) {
			require.Equal(t, next, b.First)
			next = b.Next()
			checkClaims(t, answer, b, err)
			for _, o := range b.Outcomes() {
				tallied(&sum, o.State)
			}
			require.Equal(t, sum, b.Totals)
		}
		require.Equal(t, rows, next)
	})
}

// tallied does what Totals does, once more.
func tallied(t *minapp.Totals, s minapp.State) {
	*map[minapp.State]*int64{minapp.Unknown: &t.Unknown, minapp.NotSent: &t.NotSent, minapp.Written: &t.Written, minapp.Rejected: &t.Rejected}[s]++
	t.Read++
}

func checkClaims(t *testing.T, answer string, b *minapp.Batch, err error) {
	t.Helper()
	checkBatch(t, b, err)
	want := stated(answer, b.Len())
	legible := json.Valid([]byte(answer))
	for i, o := range b.Outcomes() {
		switch {
		case !legible: // nobody looks into a success, but brackets must be right
			require.Equal(t, b.Outcomes()[0].State, o.State)
			require.NotEqual(t, minapp.Rejected, o.State)
		case o.State != minapp.Unknown:
			require.Equal(t, want[i], o.State, "row %d", i)
		}
		require.NotEqual(t, minapp.NotSent, o.State)
	}
}

// bulkAnswers are answers to three rows: true ones and what can become of them.
func bulkAnswers() []string {
	ok := func(i int) string { return fmt.Sprintf(`{"success":{"id":"%d","created_at":1554785604}}`, i) }
	no := `{"error":{"err_msg":"no","code":11000}}`
	counted := func(succeed int, results ...string) string {
		return fmt.Sprintf(`{"operation_result":[%s],"total_count":3,"succeed":%d}`, strings.Join(results, ","), succeed)
	}
	all, mixed := counted(3, ok(1), ok(2), ok(3)), counted(2, ok(1), no, ok(3))
	answers := []string{
		all,
		mixed,
		counted(0, no, no, no),
		// One result lost, one doubled, both, another order (which nobody can tell).
		counted(2, ok(1), ok(3)),
		counted(3, ok(1), ok(2), ok(3), ok(3)),
		counted(2, ok(1), ok(1), no),
		counted(3, ok(1), ok(1), ok(3)),
		counted(2, ok(3), no, ok(1)),
		// Counts altered.
		counted(3, ok(1), no, ok(3)),
		counted(-1, ok(1), no, ok(3)),
		// Items that say nothing, or both, or one thing in a strange way.
		counted(2, ok(1), `{}`, ok(3)),
		counted(1, ok(1), `null`, `{"success":null}`),
		counted(2, ok(1), `{"success":{},"error":{}}`, ok(3)),
		counted(3, ok(1), `{"success":{"id":"2"},"error":null}`, ok(3)),
		counted(3, ok(1), `{"success":{"id":"2"},"success":null}`, ok(3)),
		counted(3, ok(1), ` { "success" : { "id" : "}" } } `, ok(3)),
		// Wrong types.
		counted(3, ok(1), `7`, `"x"`),
		counted(3, ok(1), `{"success":[]}`, `{"error":7}`),
		counted(1, ok(1), `{"error":{}}`, `{"error":{"code":{},"err_msg":""}}`),
		`{"operation_result":[` + ok(1) + `,` + ok(2) + `,` + ok(3) + `],"operation_result":[{},{},{}]}`,
		`{"operation_result":{"0":` + ok(1) + `}}`,
		`{"operation_result":null,"succeed":3}`,
		`{"operation_result":[],"succeed":0}`,
		`{"status":"ok","operation_id":7}`,
		`{"id":"5a2f"}`, `[]`, `{}`, `null`, ``,
		`<html><body>502 Bad Gateway</body></html>`,
	}
	for _, answer := range []string{all, mixed} { // cut
		for _, at := range []int{1, 20, 25, 60, len(answer) / 2, len(answer) - 20, len(answer) - 1} {
			answers = append(answers, answer[:at])
		}
	}
	return answers
}
