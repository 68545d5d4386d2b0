package minapp_test

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/internal/fixture"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

func init() { //nolint:gochecknoinits // the table of cases is put together from several files
	maps.Copy(wireCases, bulkCases)
	preludes["bulk.update/by-ids"] = "records.list/ids"
	preludes["bulk.update/by-ids-some-rejected"] = "records.list/ids"
}

var (
	sam    = patch.Set("name", "Sam")
	pretty = where.Eq("pretty", true)
	// prettyAsInSamples is the shorthand of the documents.
	prettyAsInSamples = where.Raw(json.RawMessage(`{"pretty": true}`))
	lilyAndTom        = []string{"5cc5009f04cc155b1d61dc26", "5cc5009f04cc155b1d61dc27"}
)

var bulkCases = map[string]wireCase{
	"bulk.update/sample":        startUpdate(where.Everything(), sam),
	"bulk.update/async":         startUpdate(where.Everything(), sam),
	"bulk.update/total":         startUpdate(pretty, sam, minapp.CallTotal()),
	"bulk.update/some-rejected": startUpdate(where.Everything(), sam),
	"bulk.update/triggers-off":  startUpdate(where.Everything(), sam, minapp.CallTriggers(false)),
	"bulk.update/bad-request":   startUpdate(pretty, patch.Set("name", 1)),
	"bulk.update/no-such-table": startUpdate(pretty, sam),
	"bulk.update/unauthorized":  startUpdate(pretty, sam),

	"bulk.update/by-ids":               updateWhere(pretty, patch.Set("pretty", false)),
	"bulk.update/by-ids-some-rejected": updateWhere(pretty, sam),
	"records.list/ids": func(ctx context.Context, c *minapp.Client) wireResult {
		return pageResult(people(c).Page(ctx, minapp.Query{Where: pretty, OrderBy: []string{"id"}, Keys: []string{"id"}}))
	},

	"bulk.delete/sample":        startDelete(prettyAsInSamples),
	"bulk.delete/async":         startDelete(prettyAsInSamples),
	"bulk.delete/total":         startDelete(pretty, minapp.CallTotal()),
	"bulk.delete/triggers-off":  startDelete(pretty, minapp.CallTriggers(false)),
	"bulk.delete/bad-request":   startDelete(where.Eq("price", 1)),
	"bulk.delete/no-such-table": startDelete(pretty),
	"bulk.delete/unauthorized":  startDelete(pretty),
	"bulk.delete/where":         deleteWhere(pretty),
	"bulk.delete/everything":    deleteWhere(where.Everything()),
	"bulk.delete/none":          deleteWhere(where.Eq("name", "Nobody")),

	"bulk.operation/update-success": lookAtOperation,
	"bulk.operation/update-pending": lookAtOperation,
	"bulk.operation/delete-success": waitForOperation,
	"bulk.operation/delete-pending": lookAtOperation,
	"bulk.operation/not-found":      lookAtOperation,
	"bulk.operation/unauthorized":   lookAtOperation,
}

func startUpdate(cond where.Cond, p patch.Patch, opts ...minapp.CallOption) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		return startResult("update")(people(c).StartUpdate(ctx, cond, p, opts...))
	}
}

func startDelete(cond where.Cond, opts ...minapp.CallOption) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		return startResult("delete")(c.Bulk.StartDelete(ctx, 70264, cond, opts...))
	}
}

// startFacts is an operation that was started or done at once.
type startFacts struct {
	minapp.Operation
	Left     bool // whether rows were left
	Rejected []outcomeFacts
}

func startResult(kind string) func(*minapp.Operation, error) wireResult {
	return func(o *minapp.Operation, err error) wireResult {
		var seen startFacts
		if o != nil {
			seen.Operation = *o
		}
		if bulk, ok := err.(*minapp.BulkError); ok { //nolint:errorlint // it is returned as it is
			for _, row := range seenBatch(bulk.Batch, err).Outcomes {
				if row.State != minapp.Written {
					seen.Rejected = append(seen.Rejected, row)
				}
			}
			err = nil
		}
		return seenResult(err, seen, func(body any) any { return saidStart(kind, body) })
	}
}

func saidStart(kind string, body any) any {
	said := startFacts{Operation: minapp.Operation{Table: 70264, Kind: kind, Status: minapp.OperationSuccess}}
	if id := memberOf(body, "operation_id"); id != nil {
		said.ID, said.Status = minapp.OperationID(integerOf(id)), minapp.OperationPending
		return said
	}
	results, _ := memberOf(body, "operation_result").([]any)
	said.Matched = int64(len(results))
	if total := memberOf(body, "total_count"); total != nil {
		said.Matched = integerOf(total)
	}
	succeed := integerOf(memberOf(body, "succeed"))
	if kind == "update" {
		said.Modified = succeed
	} else {
		said.Deleted = succeed
	}
	said.Left = memberOf(body, "next") != nil
	for i, result := range results {
		if row := saidOutcome(i, result); row.State != minapp.Written {
			said.Rejected = append(said.Rejected, row)
		}
	}
	return said
}

func updateWhere(cond where.Cond, p patch.Patch) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		for b, err := range people(c).UpdateWhere(ctx, cond, p, minapp.BatchOptions{}) {
			r := bulkResult(b, err)
			r.said = saidUpdate
			return r
		}
		return wireResult{}
	}
}

// saidUpdate is what an update of Lily and Tom says: errors are about those
// whom no success names.
func saidUpdate(_ json.RawMessage, r fixture.Response) any {
	results := memberOf(parseJSON(r.Body), "operation_result").([]any)
	succeed := integerOf(memberOf(parseJSON(r.Body), "succeed"))
	outcomes := map[string]outcomeFacts{}
	var refused []outcomeFacts
	for i, result := range results {
		if o := saidOutcome(i, result); o.State == minapp.Written {
			outcomes[o.ID] = o
		} else {
			refused = append(refused, o)
		}
	}
	said := batchFacts{Len: 2, Next: 2, Totals: minapp.Totals{Read: 2, Written: succeed, Rejected: 2 - succeed}, Error: succeed < 2}
	for i, id := range lilyAndTom {
		o, ok := outcomes[id]
		if !ok && len(refused) == 1 {
			o = refused[0]
		}
		o.Index, o.ID = i, id
		if !ok {
			said.Failed = append(said.Failed, i)
			said.Duplicate = said.Duplicate || o.Code == "11000"
		}
		said.Outcomes = append(said.Outcomes, o)
	}
	return said
}

func deleteWhere(cond where.Cond) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		totals, err := people(c).DeleteWhere(ctx, cond)
		type facts struct {
			minapp.DeleteTotals
			Matched int64
		}
		return seenResult(err, facts{totals, totals.Deleted}, func(body any) any {
			return facts{
				minapp.DeleteTotals{Deleted: integerOf(memberOf(body, "succeed")), Requests: 1},
				integerOf(memberOf(body, "total_count")),
			}
		})
	}
}

func lookAtOperation(ctx context.Context, c *minapp.Client) wireResult {
	return operationResult(c.Bulk.Operation(ctx, 1))
}

func waitForOperation(ctx context.Context, c *minapp.Client) wireResult {
	return operationResult(c.Bulk.Wait(ctx, 1, minapp.WaitOptions{}))
}

func operationResult(o *minapp.Operation, err error) wireResult {
	var seen minapp.Operation
	if o != nil {
		seen = *o
	}
	return seenResult(err, seen, func(body any) any {
		number := func(name string) int64 { return integerOf(memberOf(body, name)) }
		word := func(name string) string { return memberOf(body, name).(string) }
		return minapp.Operation{
			ID: minapp.OperationID(number("id")), Table: minapp.TableID(number("schema_id")), TableName: word("schema_name"),
			Kind: word("operation"), Status: word("status"),
			CreatedAt: minapp.Timestamp(number("created_at")), UpdatedAt: minapp.Timestamp(number("updated_at")),
			Matched: number("matched_count"), Modified: number("modified_count"), Deleted: number("deleted_count"),
		}
	})
}
