package minapp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strconv"

	"github.com/minapp-go/minapp/internal/operation"
)

// UserService reads the users of the application, which created_by and
// pointers refer to. Source: open-api/user/user.md.
type UserService struct{ client *Client }

// User is a user of the application. What the service does not say is zero.
type User struct {
	ID        int64           `json:"id"`
	Nickname  string          `json:"nickname"`
	Avatar    string          `json:"avatar"` // URL
	Gender    int             `json:"gender"` // 1 is male, 2 is female
	Country   string          `json:"country"`
	Province  string          `json:"province"`
	City      string          `json:"city"`
	Language  string          `json:"language"`
	OpenID    string          `json:"openid"`
	UnionID   string          `json:"unionid"`
	CreatedAt Timestamp       `json:"created_at"`
	UpdatedAt Timestamp       `json:"updated_at"`
	Raw       json.RawMessage `json:"-"` // as received, with the application's own columns
}

// UnmarshalJSON reads a user; the surface userve calls the id user_id.
func (u *User) UnmarshalJSON(data []byte) error {
	type plain User
	var in struct {
		plain
		UserID int64 `json:"user_id"`
	}
	err := json.Unmarshal(data, &in)
	*u = User(in.plain)
	u.ID = cmp.Or(u.ID, in.UserID)
	u.Raw = bytes.Clone(data)
	return err
}

// UserPage is one page of users.
type UserPage struct {
	Users []*User
	Total int64 // users that match, if Query.Total asked; else -1
	More  bool  // whether the service says that there is a next page
}

// Get reads one user. [ErrNotFound] if there is none. Repeated automatically.
// Source: open-api/user/user.md.
func (s *UserService) Get(ctx context.Context, id int64, opts ...CallOption) (*User, error) {
	op := operation.UsersGet
	if id <= 0 {
		return nil, invalid(op, "user id is %d", id)
	}
	call, err := newCall(op, opts, strconv.FormatInt(id, 10))
	if err != nil {
		return nil, err
	}
	user := new(User)
	if err := s.client.send(ctx, op, call, nil, user); err != nil {
		return nil, err
	}
	return user, nil
}

func (s *UserService) list(q Query, opts []CallOption) (l lister[User]) {
	l.client, l.op, l.decode = s.client, operation.UsersList, decodeElements
	if l.call, l.err = newCall(l.op, opts); l.err != nil {
		return l
	}
	l.call.Query, l.window, l.err = q.params()
	if len(q.Keys)+len(q.Expand) > 0 {
		l.err = errors.Join(l.err, errors.New("no document has Keys or Expand for users"))
	}
	if l.err != nil {
		l.err = invalid(l.op, "Query: %w", l.err)
	}
	return l
}

// Page reads one page of users. The query takes everything but Keys and Expand,
// and cannot order by gender, country, province, city and language
// ([ErrInvalid]). A user that does not decode is in the page with its Raw, and
// the error is then a joined list of *[DecodeError]. Repeated automatically.
// Source: open-api/user/user.md.
func (s *UserService) Page(ctx context.Context, q Query, opts ...CallOption) (*UserPage, error) {
	page, err := s.list(q, opts).page(ctx)
	if page == nil {
		return nil, err
	}
	return &UserPage{page.elements, page.total, page.more}, err
}

// All reads every user that matches, page after page, in the manner of
// [Table.All]. Source: open-api/user/user.md.
func (s *UserService) All(ctx context.Context, q Query, opts ...CallOption) iter.Seq2[*User, error] {
	return s.list(q, opts).all(ctx)
}
