// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package page is the status page of a service, for a person's browser: what
// there is now, how it went, what it cost, and what was decided and why.
//
//	GET /           the page, complete without a script
//	GET /live       server-sent events: the changing part of the page, after every change
//	GET /data       the same figures as JSON, for programs
//	GET /page.css   its looks
//	GET /page.js    puts in what /live sends, and lets sums and ages grow in between
//
// The page is rendered in one place, here: a change is sent as HTML that has
// been escaped by html/template already, and not as data that a script would
// have to render a second time and escape by its own rules.
//
// It has no login, so it shows nothing of a spec but the name of the service, and
// belongs on loopback: [OnlyLoopback] turns away a website that has its own name
// point there. Behind a login it could be mounted anywhere.
package page
