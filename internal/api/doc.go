// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package api puts a network between a controller and those who talk to it.
//
// Both ends speak [serve.Client]: [NewHandler] offers any one of them over HTTP
// and JSON, and [Connect] gives one that talks to such a handler. What a method
// returns, errors included, is the same on either end: errors.Is and errors.As
// find the meanings and the field errors of package serve across the wire.
//
// # Requests
//
//	PUT    /v1/service                            make a spec the newest revision
//	GET    /v1/service                            the service as it is now
//	GET    /v1/service/watch                      the service at every change (stream)
//	DELETE /v1/service                            ask the service to end
//	POST   /v1/replicas/{id}/terminate?purge=     end one replica
//	GET    /v1/bundles/{digest}                   is the bundle held? 200 or 404
//	PUT    /v1/bundles/{digest}                   hold the bundle that is the body
//	GET    /v1/events?after=&follow=              what happened (stream)
//	GET    /v1/logs?replica=&follow=&tail=        a log (stream)
//
// A failed request answers {"error": …, "kind": …, "fields": […]}, where kind is
// the meaning and fields is what is wrong with a spec.
//
// # Streams
//
// A stream is a line of JSON, a frame, for each thing told. An empty frame, {},
// is sent every 15 seconds, so that a peer that has died without a word is
// noticed: after 45 seconds of silence a client takes the controller for dead.
// The last frame says how the stream ended. So a stream that merely breaks off
// is never taken for a whole one; it is [serve.ErrUnreachable].
//
// # Security
//
// A controller makes its own certificate ([NewCredentials]) and its clients
// accept that very one. Every request carries a bearer token. Neither
// tokens nor the content of a request or an answer are ever logged, and a
// service is stripped of its secrets before it is sent.
//
// # Versions
//
// The ends may be of different releases. Whatever a newer controller adds to an
// answer an older client passes over. The other way round a field is
// something a user asked for: an older controller refuses a spec with a field it
// does not know rather than drop it in silence. Fields that are left out, as an
// older client must, have the defaults of [serve.NewSpec]. Fields that are added
// to a spec must therefore be left out of the JSON while they are not used.
package api
