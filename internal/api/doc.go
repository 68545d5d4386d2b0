// Package api is the only place of the module that sends anything.
//
// It knows operations, not resources: [Operations] lists every call, and one
// row decides what may be repeated, how an error is named and which answer is
// a success. [Sender.Do] is the whole way of a call: build the request
// (request.go), send it until the retry rules are satisfied (exchange.go),
// judge each attempt (judge.go), and answer raw JSON or a [*Failure]. It does
// not decode rows and is not generic.
package api
