package minapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// slowly is an emulator with a table of n rows, of which it changes three at
// once and more within a minute, and a client.
func slowly(t *testing.T, n int) (*minapptest.Server, *minapp.Client, minapp.TableID) {
	t.Helper()
	s, table := emulated(t)
	s.SetLimits(minapptest.Limits{BulkMax: 3, BulkDelay: time.Minute})
	seed(t, s, table.ID(), n)
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return s, client, table.ID()
}

func TestStartedUpdateRunsOnTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := slowly(t, 5)
		ctx := t.Context()
		begin := time.Now()
		run, err := client.Bulk.StartUpdate(ctx, table, where.Everything(), patch.Set("price", 9))
		require.NoError(t, err)
		assert.Equal(t, &minapp.Operation{ID: 1, Table: table, Kind: "update", Status: "pending"}, run)
		assert.False(t, run.Done())
		assert.Empty(t, s.Requests()[0].RawQuery, "no limit, and no where for the whole table")

		run, err = client.Bulk.Operation(ctx, run.ID)
		require.NoError(t, err)
		assert.False(t, run.Done())
		assert.EqualValues(t, 5, run.Matched)
		assert.Equal(t, json.Number("0"), s.Rows(int64(table))[0]["price"], "nothing has changed yet")

		var looks []string
		run, err = client.Bulk.Wait(ctx, run.ID, minapp.WaitOptions{OnPoll: func(status string) { looks = append(looks, status) }})
		require.NoError(t, err)
		assert.True(t, run.Done())
		assert.Equal(t, "product", run.TableName)
		assert.EqualValues(t, 5, run.Modified)
		assert.Greater(t, len(looks), 3)
		assert.Equal(t, "success", looks[len(looks)-1])
		assert.Equal(t, run.CreatedAt+60, run.UpdatedAt)
		assert.Less(t, time.Since(begin), 2*time.Minute)
		for _, row := range s.Rows(int64(table)) {
			assert.Equal(t, json.Number("9"), row["price"])
		}
	})
}

func TestStartedDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := slowly(t, 7)
		ctx := t.Context()
		run, err := client.Bulk.StartDelete(ctx, table, where.Gte("price", 4), minapp.CallTotal())
		require.NoError(t, err)
		assert.Equal(t, &minapp.Operation{Table: table, Kind: "delete", Status: "success", Matched: 3, Deleted: 3}, run)

		run, err = client.Bulk.StartDelete(ctx, table, where.Everything())
		require.NoError(t, err)
		assert.False(t, run.Done())
		assert.Len(t, s.Rows(int64(table)), 4)
		run, err = client.Bulk.Wait(ctx, run.ID, minapp.WaitOptions{})
		require.NoError(t, err)
		assert.EqualValues(t, 4, run.Deleted)
		assert.Empty(t, s.Rows(int64(table)))
	})
}

func TestUpdateAtOnceTellsWhichRowsWereRefused(t *testing.T) {
	_, client, table := slowly(t, 3)
	run, err := client.Bulk.StartUpdate(t.Context(), table, where.Everything(), patch.Set("name", "same"))
	require.ErrorIs(t, err, minapp.ErrDuplicate)
	bulk, ok := errors.AsType[*minapp.BulkError](err)
	require.True(t, ok)
	checkBatch(t, bulk.Batch, err)
	assert.Equal(t, minapp.Totals{Read: 3, Written: 1, Rejected: 2}, bulk.Batch.Totals)
	require.NotNil(t, run)
	assert.EqualValues(t, 3, run.Matched)
	assert.EqualValues(t, 1, run.Modified)
}

// A run that may have started is not started again.
func TestStartIsNotRepeated(t *testing.T) {
	for name, replay := range map[string][]minapp.CallOption{"alone": nil, "with CallReplay": {minapp.CallReplay()}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, client, table := slowly(t, 5)
				s.Fault(minapptest.Fault{Operation: "bulk.update", Drop: minapptest.DropAfter})
				s.Fault(minapptest.Fault{Operation: "bulk.delete", Status: 502, Processed: true})
				s.Fault(minapptest.Fault{Operation: "bulk.update", Status: 429})
				_, err := client.Bulk.StartUpdate(t.Context(), table, where.Everything(), patch.Set("price", 9), replay...)
				assert.Equal(t, replay == nil, errors.Is(err, minapp.ErrOutcomeUnknown))
				_, err = client.Bulk.StartDelete(t.Context(), table, where.Everything(), replay...)
				assert.Equal(t, replay == nil, errors.Is(err, minapp.ErrOutcomeUnknown))
				if replay == nil {
					assert.Equal(t, 1, s.Count("bulk.update"))
					assert.Equal(t, 1, s.Count("bulk.delete"))
					_, err = client.Bulk.StartUpdate(t.Context(), table, where.Everything(), patch.IncrBy("price", 9))
					require.NoError(t, err, "what was throttled certainly did not start")
				}
			})
		})
	}
}

func TestStartBelievesNoStrangeAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"rows left":        `{"succeed":1,"next":"/oserve/v1/table/1/record/?offset=1","operation_result":[{"success":{"id":"a"}}]}`,
		"no results":       `{"succeed":1}`,
		"other number":     `{"succeed":2,"operation_result":[{"success":{"id":"a"}}]}`,
		"nothing":          `{}`,
		"illegible id":     `{"operation_id":"x"}`,
		"status only":      `{"status":"ok"}`,
		"from a gateway":   `<html></html>`,
		"a list":           `[]`,
		"nothing but text": ``,
	} {
		t.Run(name, func(t *testing.T) {
			client, transport := mocked(t, httpmock.NewStringResponder(200, answer))
			run, err := client.Bulk.StartUpdate(t.Context(), 1, where.Everything(), patch.Set("a", 1))
			assert.Nil(t, run)
			require.ErrorIs(t, err, minapp.ErrProtocol)
			require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
			assert.Equal(t, 1, transport.GetTotalCallCount())
		})
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, table := slowly(t, 5)
		run, err := client.Bulk.StartDelete(t.Context(), table, where.Everything())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		last, err := client.Bulk.Wait(ctx, run.ID, minapp.WaitOptions{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		wait, ok := errors.AsType[*minapp.WaitError](err)
		require.True(t, ok)
		assert.Same(t, last, wait.Last)
		assert.Equal(t, "pending", last.Status)
		assert.Equal(t, "bulk.operation", wait.Op)
		assert.EqualError(t, err, fmt.Sprintf("bulk.operation: stopped waiting after 20s for operation %d, last seen as pending: context deadline exceeded", run.ID))
		assert.Equal(t, 20*time.Second, wait.Waited)
	})
}

func TestUnknownStatusIsNoSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := mocked(t, httpmock.NewStringResponder(200, `{"id":1,"operation":"update","status":"failed"}`))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		last, err := client.Bulk.Wait(ctx, 1, minapp.WaitOptions{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, "failed", last.Status)
		assert.False(t, last.Done())
	})
}

func TestWaitForAnOperationThatDoesNotExist(t *testing.T) {
	_, client, _ := slowly(t, 1)
	last, err := client.Bulk.Wait(t.Context(), 8, minapp.WaitOptions{})
	require.ErrorIs(t, err, minapp.ErrNotFound)
	assert.Nil(t, last)
}

func TestBadInputOfBulkCallsIsRefusedBeforeAnythingIsSent(t *testing.T) {
	client, transport := mocked(t, httpmock.NewStringResponder(200, `{}`))
	ctx := t.Context()
	set, all := patch.Set("a", 1), where.Everything()
	update := func(cond where.Cond, p patch.Patch, o minapp.BatchOptions, opts ...minapp.CallOption) error {
		for b, err := range client.Bulk.UpdateWhere(ctx, 1, cond, p, o, opts...) {
			assert.Nil(t, b)
			return err
		}
		return nil
	}
	second := func(_ any, err error) error { return err }
	for name, tt := range map[string]struct {
		err  error
		says string
	}{
		"update without a filter":       {update(where.Cond{}, set, minapp.BatchOptions{}), "no filter given"},
		"update by a mistake":           {update(where.Eq("", 1), set, minapp.BatchOptions{}), "column name is empty"},
		"update of nothing":             {update(all, patch.Patch{}, minapp.BatchOptions{}), "patch"},
		"update with a mistake":         {update(all, patch.Set("", 1), minapp.BatchOptions{}), "patch"},
		"update in batches of 1001":     {update(all, set, minapp.BatchOptions{Size: 1001}), "BatchOptions.Size is 1001, 1 to 1000"},
		"update in negative batches":    {update(all, set, minapp.BatchOptions{Size: -1}), "BatchOptions.Size is -1"},
		"update from a position":        {update(all, set, minapp.BatchOptions{First: 10}), "BatchOptions.First is 10"},
		"update that counts":            {update(all, set, minapp.BatchOptions{}, minapp.CallTotal()), "CallTotal does not apply"},
		"update with an empty option":   {update(all, set, minapp.BatchOptions{}, minapp.CallOption{}), "call option 0 is empty"},
		"delete without a filter":       {second(client.Bulk.DeleteWhere(ctx, 1, where.Cond{})), "no filter given"},
		"delete by a mistake":           {second(client.Bulk.DeleteWhere(ctx, 1, where.And())), "Where"},
		"delete that counts":            {second(client.Bulk.DeleteWhere(ctx, 1, all, minapp.CallTotal())), "CallTotal does not apply"},
		"delete of table 0":             {second(client.Bulk.DeleteWhere(ctx, 0, all)), "table id is 0"},
		"start an update of no filter":  {second(client.Bulk.StartUpdate(ctx, 1, where.Cond{}, set)), "no filter given"},
		"start an update of nothing":    {second(client.Bulk.StartUpdate(ctx, 1, all, patch.Patch{})), "patch"},
		"start a delete of no filter":   {second(client.Bulk.StartDelete(ctx, 1, where.Cond{})), "no filter given"},
		"start a delete with keys":      {second(client.Bulk.StartDelete(ctx, 1, all, minapp.CallKeys("a"))), "CallKeys does not apply"},
		"operation 0":                   {second(client.Bulk.Operation(ctx, 0)), "operation id is 0"},
		"wait for operation 0":          {second(client.Bulk.Wait(ctx, 0, minapp.WaitOptions{})), "operation id is 0"},
		"wait with a negative interval": {second(client.Bulk.Wait(ctx, 1, minapp.WaitOptions{Interval: -1})), "negative"},
		"triggers of an operation":      {second(client.Bulk.Operation(ctx, 1, minapp.CallTriggers(true))), "CallTriggers does not apply"},
		"count of a create":             {second(client.Bulk.CreateMany(ctx, 1, nil, minapp.CallTotal())), "CallTotal does not apply"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, tt.err, minapp.ErrInvalid)
			assert.ErrorContains(t, tt.err, tt.says)
		})
	}
	assert.Zero(t, transport.GetTotalCallCount())
}
