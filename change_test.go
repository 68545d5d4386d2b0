package minapp_test

import (
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
)

// changing is a table of six rows, n0 to n5, a second and a price apart, that is
// read in pages of three. Before the request for the second page it changes.
type changing struct {
	t      *testing.T
	server *minapptest.Server
	plain  *minapp.Table[article] // for the change
	table  *minapp.Table[article]
	ids    []string
}

const beginning = 1_500_000_000

func newChanging(t *testing.T, second func(i int) int, change func(*changing)) *changing {
	t.Helper()
	s, plain := emulated(t)
	c := &changing{t: t, server: s, plain: plain}
	for i := range 6 {
		c.ids = append(c.ids, c.add(i, second(i), i))
	}
	var pages atomic.Int64
	client, err := minapp.NewClient(append(s.Options(), minapp.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Query().Get("limit") == "3" && pages.Add(1) == 2 {
				change(c)
			}
			return s.Client().Transport.RoundTrip(r)
		}),
	}))...)
	require.NoError(t, err)
	c.table = minapp.TableOf[article](client, plain.ID())
	return c
}

// eachSecond creates a row each second, sameSecond all in one.
func eachSecond(i int) int { return i }
func sameSecond(int) int   { return 0 }

// add adds the row ni with an id that sorts like i and reports the id.
func (c *changing) add(i, second, price int) string {
	id := fmt.Sprintf("%024x", 0x5a2f_0000+16*i)
	_, err := c.server.Seed(int64(c.plain.ID()), map[string]any{
		"id": id, "name": name(i), "price": price, "created_at": beginning + second, "updated_at": beginning + second,
	})
	assert.NoError(c.t, err)
	return id
}

func (c *changing) remove(i int) {
	assert.NoError(c.t, c.plain.Delete(c.t.Context(), c.ids[i]))
}

// move gives a row another time of creation.
func (c *changing) move(i, second int) {
	c.remove(i)
	c.add(i, second, i)
}

func (c *changing) update(i int, p patch.Patch) {
	_, err := c.plain.Update(c.t.Context(), c.ids[i], p)
	assert.NoError(c.t, err)
}

// names collects the names of rows and what ended the sequence.
func names(records iter.Seq2[*minapp.Record[article], error]) (list []string, end error) {
	for r, err := range records {
		if r == nil {
			return list, err
		}
		list = append(list, r.Value.Name)
	}
	return list, nil
}

func numbered(prefix string, numbers ...int) (list []string) {
	for _, n := range numbers {
		list = append(list, prefix+strconv.Itoa(n))
	}
	return list
}

// All counts pages by offset. What happens behind the page that is on its way
// shows, and what happens before it moves the others: this is what All does not
// promise, and it is documented there.
func TestAllOfATableThatChanges(t *testing.T) {
	for what, tt := range map[string]struct {
		change func(*changing)
		want   []string
	}{
		"nothing":               {func(*changing) {}, numbered("n", 0, 1, 2, 3, 4, 5)},
		"added behind":          {func(c *changing) { c.add(9, 9, 9) }, numbered("n", 0, 1, 2, 3, 4, 5, 9)},
		"removed behind":        {func(c *changing) { c.remove(4) }, numbered("n", 0, 1, 2, 3, 5)},
		"changed, and stays":    {func(c *changing) { c.update(4, patch.Set("name", "n8")) }, numbered("n", 0, 1, 2, 3, 8, 5)},
		"added before: twice":   {func(c *changing) { c.add(9, 9, -1) }, numbered("n", 0, 1, 2, 2, 3, 4, 5)},
		"removed before: lost":  {func(c *changing) { c.remove(0) }, numbered("n", 0, 1, 2, 4, 5)},
		"one for another":       {func(c *changing) { c.remove(0); c.add(9, 9, -1) }, numbered("n", 0, 1, 2, 3, 4, 5)},
		"moved to before":       {func(c *changing) { c.update(5, patch.Set("price", -1)) }, numbered("n", 0, 1, 2, 2, 3, 4)},
		"moved to behind":       {func(c *changing) { c.update(0, patch.Set("price", 9)) }, numbered("n", 0, 1, 2, 4, 5, 0)},
		"all of the rest gone":  {func(c *changing) { c.remove(3); c.remove(4); c.remove(5) }, numbered("n", 0, 1, 2)},
		"everything moved once": {func(c *changing) { c.update(2, patch.Set("price", -1)) }, numbered("n", 0, 1, 2, 3, 4, 5)},
	} {
		c := newChanging(t, eachSecond, tt.change)
		got, err := names(c.table.All(t.Context(), minapp.Query{OrderBy: []string{"price", "id"}, PageSize: 3}))
		require.NoError(t, err, what)
		assert.Equal(t, tt.want, got, what)
	}
}

// As many new rows before the position as a page holds make the next page the
// same as the last one, which cannot be told from a service that is stuck.
func TestAllEndsWhenAPageComesAgain(t *testing.T) {
	c := newChanging(t, eachSecond, func(c *changing) {
		for i := range 3 {
			c.add(9+i, 9, -1)
		}
	})
	got, err := names(c.table.All(t.Context(), minapp.Query{OrderBy: []string{"price", "id"}, PageSize: 3}))
	require.ErrorIs(t, err, minapp.ErrProtocol)
	assert.Equal(t, numbered("n", 0, 1, 2), got)
}

// A scan goes by time: rows that nobody touches are yielded once, whatever
// happens to the others. What it has read when the table changes are n0 and n1.
func TestScanOfATableThatChangesOnce(t *testing.T) {
	for what, tt := range map[string]struct {
		change func(*changing)
		want   []string
		drift  bool
	}{
		"nothing":              {func(*changing) {}, numbered("n", 0, 1, 2, 3, 4, 5), false},
		"added ahead":          {func(c *changing) { c.add(9, 4, 9) }, numbered("n", 0, 1, 2, 3, 4, 5, 9), false},
		"added behind":         {func(c *changing) { c.add(9, 0, 9) }, numbered("n", 0, 1, 2, 3, 4, 5), false},
		"added after the last": {func(c *changing) { c.add(9, 9, 9) }, numbered("n", 0, 1, 2, 3, 4, 5), false},
		"removed ahead":        {func(c *changing) { c.remove(4) }, numbered("n", 0, 1, 2, 3, 5), false},
		"removed behind":       {func(c *changing) { c.remove(0) }, numbered("n", 0, 1, 2, 3, 4, 5), false},
		"changed, and stays":   {func(c *changing) { c.update(4, patch.Set("name", "n8")) }, numbered("n", 0, 1, 2, 3, 5, 8), false},
		"moved to behind":      {func(c *changing) { c.move(4, 0) }, numbered("n", 0, 1, 2, 3, 5), true},
		"moved to ahead":       {func(c *changing) { c.move(0, 4) }, numbered("n", 0, 0, 1, 2, 3, 4, 5), true},
		"both: the counts fit": {func(c *changing) { c.move(0, 4); c.move(5, 0) }, numbered("n", 0, 0, 1, 2, 3, 4), false},
	} {
		c := newChanging(t, eachSecond, tt.change)
		got, err := names(c.table.Scan(t.Context(), minapp.ScanOptions{PageSize: 3, Parallel: 1}))
		slices.Sort(got)
		assert.Equal(t, tt.want, got, what)
		if tt.drift {
			require.ErrorIs(t, err, minapp.ErrScanDrift, what)
		} else {
			require.NoError(t, err, what)
		}
	}
}

// By the time of the last change every row that is changed leaves for a second
// after the last one: unread, it is missed, and the scan says so.
func TestScanByUpdatesMissesWhatIsUpdated(t *testing.T) {
	for i, drift := range map[int]bool{0: false, 4: true} {
		c := newChanging(t, eachSecond, func(c *changing) { c.update(i, patch.Set("name", "n8")) })
		got, err := names(c.table.Scan(t.Context(), minapp.ScanOptions{By: minapp.ByUpdatedAt, PageSize: 3, Parallel: 1}))
		assert.NotContains(t, got, "n8")
		if drift {
			require.ErrorIs(t, err, minapp.ErrScanDrift)
			assert.ErrorContains(t, err, "5 rows yielded, 6 counted before, 6 after")
		} else {
			require.NoError(t, err)
			assert.Len(t, got, 6)
		}
	}
}

// Chunks keeps the promise of a scan from checkpoint to checkpoint, also in a
// second that holds more rows than a page, where it goes by ids: there n0 to n2
// have been read when the table changes.
func TestChunksOfATableThatChanges(t *testing.T) {
	for what, tt := range map[string]struct {
		second func(int) int
		change func(*changing)
		want   []string
	}{
		"added ahead":                    {eachSecond, func(c *changing) { c.add(9, 4, 9) }, numbered("n", 0, 1, 2, 3, 4, 5, 9)},
		"added behind":                   {eachSecond, func(c *changing) { c.add(9, 0, 9) }, numbered("n", 0, 1, 2, 3, 4, 5)},
		"removed ahead":                  {eachSecond, func(c *changing) { c.remove(4) }, numbered("n", 0, 1, 2, 3, 5)},
		"removed behind":                 {eachSecond, func(c *changing) { c.remove(0); c.remove(1) }, numbered("n", 0, 1, 2, 3, 4, 5)},
		"moved to behind":                {eachSecond, func(c *changing) { c.move(4, 0) }, numbered("n", 0, 1, 2, 3, 5)},
		"moved to ahead":                 {eachSecond, func(c *changing) { c.move(0, 4) }, numbered("n", 0, 0, 1, 2, 3, 4, 5)},
		"one second, nothing":            {sameSecond, func(*changing) {}, numbered("n", 0, 1, 2, 3, 4, 5)},
		"one second, added ahead":        {sameSecond, func(c *changing) { c.add(9, 0, 9) }, numbered("n", 0, 1, 2, 3, 4, 5, 9)},
		"one second, added behind":       {sameSecond, func(c *changing) { c.add(-1, 0, 9) }, numbered("n", 0, 1, 2, 3, 4, 5)},
		"one second, removed ahead":      {sameSecond, func(c *changing) { c.remove(4) }, numbered("n", 0, 1, 2, 3, 5)},
		"one second, removed behind":     {sameSecond, func(c *changing) { c.remove(0) }, numbered("n", 0, 1, 2, 3, 4, 5)},
		"one second, the checkpoint":     {sameSecond, func(c *changing) { c.remove(2) }, numbered("n", 0, 1, 2, 3, 4, 5)},
		"one second, all that was read":  {sameSecond, func(c *changing) { c.remove(0); c.remove(1); c.remove(2) }, numbered("n", 0, 1, 2, 3, 4, 5)},
		"one second, the rest of it":     {sameSecond, func(c *changing) { c.remove(3); c.remove(4); c.remove(5) }, numbered("n", 0, 1, 2)},
		"one second, moved out of it":    {sameSecond, func(c *changing) { c.move(4, -9) }, numbered("n", 0, 1, 2, 3, 5)},
		"one second, many added behind":  {sameSecond, func(c *changing) { addMany(c, -20) }, numbered("n", 0, 1, 2, 3, 4, 5)},
		"one second, changed, and stays": {sameSecond, func(c *changing) { c.update(4, patch.Set("name", "n8")) }, numbered("n", 0, 1, 2, 3, 5, 8)},
	} {
		c := newChanging(t, tt.second, func(*changing) {})
		changed := false
		var got []string
		rest := minapp.ScanRange{By: minapp.ByCreatedAt, From: beginning, To: beginning + 6, PageSize: 3}
		for !rest.Done() {
			for chunk, err := range c.table.Chunks(t.Context(), rest) {
				require.NoError(t, err, what)
				for _, r := range chunk.Rows {
					got = append(got, r.Value.Name)
				}
				rest = chunk.Rest
				break
			}
			if !changed && len(got) > 0 {
				tt.change(c)
				changed = true
			}
		}
		slices.Sort(got)
		assert.Equal(t, tt.want, got, what)
	}
}

func addMany(c *changing, from int) {
	for i := range 15 {
		c.add(from+i, 0, 9)
	}
}

// The other lists of minapp are counted by offset, too.
func TestListsOfMinappThatChange(t *testing.T) {
	for removed, want := range map[int][]string{0: numbered("t", 0, 1, 2, 4, 5), 4: numbered("t", 0, 1, 2, 3, 5)} {
		s := minapptest.NewServer(t)
		var ids []minapp.TableID
		for i := range 6 {
			id, err := s.CreateTable(minapptest.Table{Name: "t" + strconv.Itoa(i), Schema: articleSchema})
			require.NoError(t, err)
			ids = append(ids, minapp.TableID(id))
		}
		client, plain := betweenPages(t, s, func(plain *minapp.Client) { assert.NoError(t, plain.Tables.Delete(t.Context(), ids[removed])) })
		var got []string
		for table, err := range client.Tables.All(t.Context(), minapp.TableQuery{PageSize: 3}) {
			require.NoError(t, err)
			got = append(got, table.Name)
		}
		assert.Equal(t, want, got)
		plain.CloseIdleConnections()
	}
}

// The lists of MOI yield everything once at most: what comes before the position
// is hidden, and what goes there hides another.
func TestListsOfMOIThatChange(t *testing.T) {
	for what, tt := range map[string]struct {
		latestFirst bool
		change      func(*minapptest.Server, *minapp.Client)
		want        []string
	}{
		"added behind": {false, func(s *minapptest.Server, _ *minapp.Client) { addTask(s, 6) }, numbered("t", 0, 1, 2, 3, 4, 5, 6)},
		"added before": {true, func(s *minapptest.Server, _ *minapp.Client) { addTask(s, 6) }, numbered("t", 5, 4, 3, 2, 1, 0)},
		"removed behind": {false, func(_ *minapptest.Server, c *minapp.Client) {
			assert.NoError(t, c.ExportTasks.Delete(t.Context(), "t4"))
		}, numbered("t", 0, 1, 2, 3, 5)},
		"removed before": {false, func(_ *minapptest.Server, c *minapp.Client) {
			assert.NoError(t, c.ExportTasks.Delete(t.Context(), "t0"))
		}, numbered("t", 0, 1, 2, 4, 5)},
	} {
		s := minapptest.NewServer(t)
		for i := range 6 {
			addTask(s, i)
		}
		client, plain := betweenPages(t, s, func(plain *minapp.Client) { tt.change(s, plain) })
		q := byoa.TaskQuery{PageSize: 3, OrderBy: byoa.OrderCreated}
		if tt.latestFirst {
			q.OrderBy = "-" + byoa.OrderCreated
		}
		var got []string
		for task, err := range client.ExportTasks.All(t.Context(), q) {
			require.NoError(t, err, what)
			got = append(got, task.ID)
		}
		assert.Equal(t, tt.want, got, what)
		plain.CloseIdleConnections()
	}
}

func addTask(s *minapptest.Server, i int) {
	s.MOI().AddTask(minapptest.MOITask{ID: "t" + strconv.Itoa(i), Name: "n"})
}

// betweenPages is a client that has something happen before its second request,
// and the client for it.
func betweenPages(t *testing.T, s *minapptest.Server, change func(plain *minapp.Client)) (client, plain *minapp.Client) {
	t.Helper()
	plain = mustClient(t, s)
	requests := 0
	client, err := minapp.NewClient(append(s.Options(), minapp.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if requests++; requests == 2 {
				change(plain)
			}
			return s.Client().Transport.RoundTrip(r)
		}),
	}))...)
	require.NoError(t, err)
	return client, plain
}
