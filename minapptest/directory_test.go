package minapptest_test

import (
	"testing"
	"time"

	"github.com/minapp-go/minapp/minapptest"
	"github.com/stretchr/testify/require"
)

func TestServerTimeIsTheClock(t *testing.T) {
	e := newEmulator(t)
	e.clock.Set(time.Date(2019, 11, 22, 8, 9, 26, 903_210_000, time.UTC))
	require.JSONEq(t, `{"time":"2019-11-22T16:09:26.903210+08:00"}`, e.send("GET", "/oserve/v2.2/server/time/", "").text)
}

// Users are the rows of the built-in table, found as records are found.
func TestUsers(t *testing.T) {
	e := newEmulator(t)
	const url = "/oserve/v2.2/miniapp/user_profile/"
	require.Equal(t, list(), e.send("GET", url, "").column("id"), "an application without users")
	require.Equal(t, 404, e.send("GET", url+"7/", "").status)

	id, err := e.CreateTable(minapptest.Table{Name: "_userprofile", Schema: minapptest.Schema{Fields: []minapptest.Field{
		{Name: "nickname", Type: "string"}, {Name: "city", Type: "string"},
	}}})
	require.NoError(t, err)
	_, err = e.Seed(id, map[string]any{"id": 195448780235670, "nickname": "b"}, map[string]any{"id": 7, "nickname": "a", "created_at": 1})
	require.NoError(t, err)

	require.JSONEq(t, `{"id":7,"created_by":36395395,"created_at":1,"updated_at":1700000000,"nickname":"a"}`, e.send("GET", url+"7/", "").text)
	r := e.send("GET", "/userve/v2.2/miniapp/user_profile/7/", "", "Authorization", "", "Cookie", "a=b")
	require.JSONEq(t, `{"user_id":7,"created_by":36395395,"created_at":1,"updated_at":1700000000,"nickname":"a"}`, r.text)
	require.Equal(t, list("b"), e.send("GET", url+query("where", `{"nickname":{"$gt":"a"}}`), "").column("nickname"))
	require.Equal(t, list("b", "a"), e.send("GET", url, "").column("nickname"), "newest first")
	r = e.send("GET", url+query("order_by", "nickname", "limit", "1", "return_total_count", "1"), "")
	require.Equal(t, list("a"), r.column("nickname"))
	require.Contains(t, r.text, `"total_count":2`)
	require.Equal(t, 400, e.send("GET", url+query("order_by", "-city"), "").status)
	require.Equal(t, 400, e.send("GET", url+query("where", `{"nosuch":1}`), "").status)
}

func TestFiles(t *testing.T) {
	e := newEmulator(t)
	const url = "/oserve/v2.2/file/"
	for i, name := range []string{"b", "c", "a"} {
		require.NoError(t, e.CreateFile(map[string]any{
			"id": "f" + name, "name": name, "created_at": 100 - i/2, "mime_type": "m", "cdn_path": "p", "size": i,
			"categories": []any{map[string]any{"id": "c" + name}},
		}))
	}
	require.Equal(t, list("c", "b", "a"), e.send("GET", url, "").column("name"))
	require.Equal(t, list("a", "b", "c"), e.send("GET", url+query("order_by", "created_at"), "").column("name"))
	require.Equal(t, list("c", "b"), e.send("GET", url+query("order_by", "-name", "limit", "2"), "").column("name"))
	r := e.send("GET", url+query("order_by", "size", "limit", "2", "offset", "2", "return_total_count", "1"), "")
	require.Equal(t, list("a"), r.column("name"))
	require.Contains(t, r.text, `"total_count":3`)
	require.Equal(t, list("c"), e.send("GET", url+query("category", "cc"), "").column("name"))
	require.Equal(t, list(), e.send("GET", url+query("category", "none"), "").column("name"))
	require.Equal(t, 400, e.send("GET", url+query("order_by", "path"), "").status)
	require.Equal(t, 400, e.send("GET", url+query("limit", "0"), "").status)
	require.Equal(t, "fb", e.send("GET", url+"fb/", "").json["id"])
	require.Equal(t, 404, e.send("GET", url+"fz/", "").status)
}
