// Package api is the only place of the module that sends anything.
//
// [Sender.Do] is the whole way of a call: build the request (request.go), wait
// for its turn and repeat it as its operation allows (exchange.go), make one
// attempt (send.go), and answer raw JSON or a [*Failure] (failure.go). What an
// attempt means is judged by package attempt, when it may leave is said by
// package pace, and which calls there are by package operation. Nothing here
// decodes rows, and nothing is generic.
package api
