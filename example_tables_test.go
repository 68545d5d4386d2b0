package minapp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/geo"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// Branch is a row with columns of every other type.
type Branch struct {
	Name    string         `json:"name"`
	Place   geo.Point      `json:"place"`
	Opened  time.Time      `json:"opened,omitzero"`
	Photo   minapp.File    `json:"photo,omitzero"`
	Manager minapp.Pointer `json:"manager,omitzero"`
	minapp.RowPerm
}

// branchTable is the id of the table of branches, managerTable that of their
// managers.
const (
	managerTable minapp.TableID = 41
	branchTable  minapp.TableID = 42
)

// branches is a service inside the process with shops in Guangzhou and
// Shenzhen, their managers, two users and a photo; and a client for it.
func branches() (client *minapp.Client, closeShop func()) {
	const data = `{"tables": [
		{"id": 41, "name": "manager", "schema": {"fields": [{"name": "name", "type": "string"}]},
		 "rows": [{"id": "5a2fa9b008443e59e0e67801", "name": "林"}]},
		{"id": 42, "name": "branch", "indexes": [["name"]],
		 "row_read_perm": ["user:anonymous"], "row_write_perm": ["gid:656"], "write_perm": ["gid:656"],
		 "schema": {"fields": [
			{"name": "name", "type": "string", "constraints": {"required": true}},
			{"name": "place", "type": "geojson", "format": "default", "coordinate_type": "gcj02"},
			{"name": "opened", "type": "date"},
			{"name": "photo", "type": "file"},
			{"name": "manager", "type": "reference", "schema_id": "41"}
		 ]},
		 "rows": [
			{"id": "5a2fa9b008443e59e0e67811", "name": "天河", "place": {"type": "Point", "coordinates": [113.361, 23.125]},
			 "opened": "2018-09-26T11:22:51.100000+08:00", "manager": "5a2fa9b008443e59e0e67801", "created_by": 64501217, "created_at": 1516118400},
			{"id": "5a2fa9b008443e59e0e67812", "name": "越秀", "place": {"type": "Point", "coordinates": [113.267, 23.129]}, "created_at": 1516118401},
			{"id": "5a2fa9b008443e59e0e67813", "name": "南山", "place": {"type": "Point", "coordinates": [113.930, 22.533]}, "created_at": 1516118402}
		 ]},
		{"id": 43, "name": "_userprofile", "schema": {"fields": [{"name": "nickname", "type": "string"}, {"name": "city", "type": "string"}]},
		 "rows": [{"id": 64501217, "nickname": "Larry", "city": "广州"}, {"id": 70695404, "nickname": "Andrew", "city": "深圳"}]}
	], "files": [
		{"id": "5a1ba9c1fff1d651135e5ff1", "name": "door.png", "created_at": 1511762369, "mime_type": "image/png",
		 "cdn_path": "1eJCS1MFGdvaaBoV.png", "size": 3652, "media_type": "image", "status": "success"}
	]}`
	clock := minapptest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	server := minapptest.New(minapptest.WithClock(clock.Now))
	if err := server.LoadData(strings.NewReader(data)); err != nil {
		log.Fatal(err)
	}
	client, err := minapp.NewClient(server.Options()...)
	if err != nil {
		log.Fatal(err)
	}
	return client, func() { _ = server.Close() }
}

// Only what is set changes: here the name, and who may create rows.
func ExampleTableService_Update() {
	client, closeShop := bookshop()
	defer closeShop()

	table, err := client.Tables.Update(context.Background(), bookTable, minapp.TableUpdate{
		Name:      "publication",
		CreateRow: []string{minapp.PermGroup(656), minapp.PermUser(37087886)},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(table.Name, table.CreateRow, table.Rows.ReadPerm)
	// Output: publication [gid:656 user:37087886] [user:*]
}

func ExampleTableService_Indexes() {
	client, closeShop := bookshop()
	defer closeShop()

	indexes, err := client.Tables.Indexes(context.Background(), bookTable)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(indexes)
	// Output: [{title_1 [title]}]
}

func ExampleTableService_CreateIndex() {
	client, closeShop := bookshop()
	defer closeShop()

	index, err := client.Tables.CreateIndex(context.Background(), bookTable, []string{"title", "price"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(index.Name)
	// Output: title_1_price_1
}

// A session has no indexes: that is said before anything is sent.
func ExampleTableService_CreateIndex_session() {
	client, err := minapp.NewClient(minapp.WithSession(&http.Cookie{Name: "sessionid", Value: "of a console login"}))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Tables.CreateIndex(context.Background(), bookTable, []string{"title"})
	fmt.Println(errors.Is(err, minapp.ErrInvalid))
	// Output: true
}

func ExampleTableService_DeleteIndex() {
	client, closeShop := bookshop()
	defer closeShop()
	ctx := context.Background()

	if err := client.Tables.DeleteIndex(ctx, bookTable, "title_1"); err != nil {
		log.Fatal(err)
	}
	_, err := client.Records.Create(ctx, bookTable, minapp.Fields{"title": "围城"}) // there is one already
	fmt.Println(err)
	// Output: <nil>
}

// A table like another one, with other permissions.
func ExampleTableInfo_Spec() {
	client, closeShop := branches()
	defer closeShop()
	ctx := context.Background()

	table, err := client.Tables.FindByName(ctx, "branch")
	if err != nil {
		log.Fatal(err)
	}
	spec := table.Spec()
	spec.Name = "branch_archive"
	spec.CreateRow = nil // nobody but server-side calls
	archive, err := client.Tables.Create(ctx, spec)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(archive.Name, len(archive.Fields) == len(table.Fields), archive.Rows, archive.CreateRow)
	// Output: branch_archive true {[user:anonymous] [gid:656]} []
}

// A row with a shape, a date, a file, a pointer and permissions of its own.
func ExampleTable_Create_columns() {
	client, closeShop := branches()
	defer closeShop()
	ctx := context.Background()

	door, err := client.Files.Get(ctx, "5a1ba9c1fff1d651135e5ff1")
	if err != nil {
		log.Fatal(err)
	}
	branch, err := minapp.TableOf[Branch](client, branchTable).Create(ctx, Branch{
		Name:    "番禺",
		Place:   geo.Point{Lng: 113.384, Lat: 22.937},
		Opened:  time.Date(2026, 1, 2, 9, 30, 0, 0, time.FixedZone("", 8*60*60)),
		Photo:   *door,
		Manager: minapp.Pointer{ID: "5a2fa9b008443e59e0e67801"},
		RowPerm: minapp.RowPerm{WritePerm: []string{minapp.PermUser(64501217)}},
	}, minapp.CallStrict())
	if err != nil {
		log.Fatal(err)
	}
	v := branch.Value
	fmt.Println(v.Opened.Format(time.DateOnly), v.Photo.Name, v.Manager.Table, v.WritePerm, v.ReadPerm)
	// Output: 2026-01-02 door.png manager [user:64501217] [user:anonymous]
}

// Shops within ten kilometres, nearest first.
func ExampleTable_All_nearest() {
	client, closeShop := branches()
	defer closeShop()

	station := geo.Point{Lng: 113.324, Lat: 23.149}
	near := where.WithinRing("place", geo.Ring{Center: station, MaxMeters: 10_000})
	for branch, err := range minapp.TableOf[Branch](client, branchTable).All(context.Background(), minapp.Query{Where: near}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(branch.Value.Name)
	}
	// Output:
	// 天河
	// 越秀
}

// The manager of a shop, and who created its row.
func ExampleExpanded() {
	client, closeShop := branches()
	defer closeShop()
	ctx := context.Background()

	branch, err := minapp.TableOf[Branch](client, branchTable).Get(ctx, "5a2fa9b008443e59e0e67811", minapp.CallExpand("manager"))
	if err != nil {
		log.Fatal(err)
	}
	manager, err := minapp.Expanded[struct{ Name string }](branch.Value.Manager)
	if err != nil {
		log.Fatal(err)
	}
	meta, err := branch.Meta()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(manager.Value.Name, manager.ID(), meta.CreatedBy)
	// Output: 林 5a2fa9b008443e59e0e67801 64501217
}

// The service drops a price that is a text and says nothing; the row is there.
func ExampleCallStrict() {
	client, closeShop := bookshop()
	defer closeShop()
	ctx := context.Background()

	book, err := client.Records.Update(ctx, bookTable, "5a2fa9b008443e59e0e67829",
		patch.Set("title", "围城 (1947)").Set("price", "forty"), minapp.CallStrict())
	dropped, ok := errors.AsType[*minapp.DroppedError](err)
	if !ok {
		log.Fatal(err)
	}
	fmt.Println(dropped.Changed, book.Value["title"], book.Value["price"])
	// Output: [price] 围城 (1947) 39
}

func ExampleUserService_Get() {
	client, closeShop := branches()
	defer closeShop()

	user, err := client.Users.Get(context.Background(), 64501217)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(user.Nickname, user.City)
	// Output: Larry 广州
}

func ExampleUserService_Page() {
	client, closeShop := branches()
	defer closeShop()

	page, err := client.Users.Page(context.Background(), minapp.Query{Where: where.Eq("city", "深圳"), Total: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, user := range page.Users {
		fmt.Println(user.ID, user.Nickname, page.Total)
	}
	// Output: 70695404 Andrew 1
}

func ExampleUserService_All() {
	client, closeShop := branches()
	defer closeShop()

	for user, err := range client.Users.All(context.Background(), minapp.Query{OrderBy: []string{"nickname"}}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(user.Nickname)
	}
	// Output:
	// Andrew
	// Larry
}

func ExampleFileService_Get() {
	client, closeShop := branches()
	defer closeShop()

	file, err := client.Files.Get(context.Background(), "5a1ba9c1fff1d651135e5ff1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %s %d bytes %s\n", file.Name, file.MimeType, file.Size, file.Extra["media_type"])
	// Output: door.png image/png 3652 bytes "image"
}

func ExampleFileService_Page() {
	client, closeShop := branches()
	defer closeShop()

	page, err := client.Files.Page(context.Background(), minapp.FileQuery{OrderBy: []string{"-created_at"}, PageSize: 20, Total: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(page.Total, page.Files[0].Name, page.More)
	// Output: 1 door.png false
}

func ExampleFileService_All() {
	client, closeShop := branches()
	defer closeShop()

	var bytes int64
	for file, err := range client.Files.All(context.Background(), minapp.FileQuery{}) {
		if err != nil {
			log.Fatal(err)
		}
		bytes += file.Size
	}
	fmt.Println(bytes)
	// Output: 3652
}

func ExampleClient_ServerTime() {
	client, closeShop := branches()
	defer closeShop()

	now, err := client.ServerTime(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(now.Format(time.RFC3339))
	// Output: 2026-01-02T11:04:05+08:00
}
