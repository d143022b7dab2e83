// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// operation is what Compute Engine does because somebody has asked for it, or by
// itself. It takes its time.
type operation struct {
	name     string
	id       uint64
	kind     string // such as insert, or compute.instances.preempted
	scope    string // a zone or a region, or nothing if it is global
	target   string // the path of what it is done to
	targetID uint64
	by       string
	began    time.Time
	ends     time.Time // zero, if nobody knows yet
	failure  *failure
	// changed is closed when the end is known, for those who wait.
	changed chan struct{}
	deleted bool
}

// failure is why an operation has failed.
type failure struct {
	code, message string
	status        int // of HTTP, if it had been an answer
}

// begin begins an operation, which ends by itself if the moment is known.
func (g *GCP) begin(by, kind, target string, targetID uint64, now, ends time.Time) *operation {
	o := &operation{
		name: "operation-" + now.UTC().Format("20060102150405") + "-" + g.number(), id: g.id(), kind: kind, target: target, targetID: targetID,
		by: by, began: now, ends: ends, changed: make(chan struct{}),
	}
	if parts := strings.Split(target, "/"); len(parts) > 3 && parts[2] != "global" {
		o.scope = parts[3]
	}
	g.compute.operations = append(g.compute.operations, o)
	return o
}

// begin begins what a call has asked for.
func (c *call) begin(target string, targetID uint64, ends time.Time) *operation {
	return c.GCP.begin(c.by, last(strings.ReplaceAll(c.method.ID, ".", "/")), target, targetID, c.now, ends)
}

// end ends an operation whose end was not known.
func (o *operation) end(now time.Time) {
	if !o.ends.IsZero() {
		return
	}
	o.ends = now
	close(o.changed)
}

// path is where the operation can be asked for.
func (o *operation) path() string {
	switch {
	case o.scope == "":
		return global("operations", o.name)
	case regionOf(o.scope) != "":
		return zonal(o.scope, "operations", o.name)
	}
	return regional(o.scope, "operations", o.name)
}

func (o *operation) done(at time.Time) bool { return !o.ends.IsZero() && !o.ends.After(at) }

// announce tells of an operation to whoever has begun it. Compute Engine has never
// done something by then, even if it takes no time.
func (o *operation) announce(c *call) fields {
	out := o.describe(o.began)
	out["status"], out["progress"] = []string{"PENDING", "RUNNING"}[c.random.IntN(2)], 0
	for _, name := range []string{"endTime", "error", "httpErrorStatusCode", "httpErrorMessage"} {
		delete(out, name)
	}
	return out
}

func (o *operation) describe(at time.Time) fields {
	out := fields{
		"kind": "compute#operation", "id": o.id, "name": o.name, "operationType": o.kind, "targetLink": link(o.target),
		"targetId": o.targetID, "user": o.by, "status": "RUNNING", "progress": 0, "selfLink": link(o.path()),
		"insertTime": stamp(o.began), "startTime": stamp(o.began),
	}
	switch {
	case o.scope == "":
	case regionOf(o.scope) != "":
		out["zone"] = link("projects/" + Project + "/zones/" + o.scope)
	default:
		out["region"] = link("projects/" + Project + "/regions/" + o.scope)
	}
	if !o.done(at) {
		return out
	}
	out["status"], out["progress"], out["endTime"] = "DONE", 100, stamp(o.ends)
	if f := o.failure; f != nil {
		out["error"] = fields{"errors": []fields{{"code": f.code, "message": f.message}}}
		out["httpErrorStatusCode"], out["httpErrorMessage"] = f.status, strings.ToUpper(http.StatusText(f.status))
	}
	return out
}

func operationMethods() map[string]handler {
	methods := map[string]handler{}
	for _, kind := range []string{"compute.zoneOperations.", "compute.regionOperations.", "compute.globalOperations."} {
		methods[kind+"get"] = getOperation
		methods[kind+"wait"] = waitOperation
		methods[kind+"list"] = listOperations
		methods[kind+"delete"] = deleteOperation
	}
	return methods
}

// operation reports whether a call is one about operations, which are counted apart.
func (c *call) operation() bool { return strings.Contains(c.method.ID, "Operations.") }

// operationNamed finds the operation that a call is about.
func (c *call) operationNamed() (*operation, error) {
	scope, name := c.param("zone")+c.param("region"), c.param("operation")
	at := slices.IndexFunc(c.compute.operations, func(o *operation) bool { return o.scope == scope && o.name == name && !o.deleted })
	if at < 0 {
		return nil, notFound((&operation{scope: scope, name: name}).path())
	}
	return c.compute.operations[at], nil
}

func getOperation(c *call, _ fields) (fields, error) {
	o, err := c.operationNamed()
	if err != nil {
		return nil, err
	}
	return o.describe(c.now), nil
}

// waitsLast is for how long Compute Engine has somebody wait.
const waitsLast = 2 * time.Minute

// waitOperation answers when the operation is done, or when it has taken too long.
// The cloud is not locked meanwhile.
func waitOperation(c *call, _ fields) (fields, error) {
	o, err := c.operationNamed()
	if err != nil {
		return nil, err
	}
	gone := c.request.Context().Done()
	for end := c.now.Add(waitsLast); !o.done(c.now) && c.now.Before(end); c.now = time.Now() {
		until, changed := end, o.changed
		if !o.ends.IsZero() {
			changed = nil // there is no more to learn
			if o.ends.Before(end) {
				until = o.ends
			}
		}
		timer := time.NewTimer(until.Sub(c.now))
		c.mu.Unlock()
		select {
		case <-timer.C:
		case <-changed:
		case <-gone:
			end = c.now
		}
		timer.Stop()
		c.mu.Lock()
	}
	if c.faults.Down || c.lost[o.scope] {
		return nil, Unavailable()
	}
	return o.describe(c.now), nil
}

func listOperations(c *call, _ fields) (fields, error) {
	scope := c.param("zone") + c.param("region")
	list := slices.DeleteFunc(slices.Clone(c.compute.operations), func(o *operation) bool { return o.scope != scope || o.deleted || o.began.After(c.now) })
	return listed(c, "compute#operationList", "Operation", list, func(o *operation) fields { return o.describe(c.now) })
}

func deleteOperation(c *call, _ fields) (fields, error) {
	o, err := c.operationNamed()
	if err != nil {
		return nil, err
	}
	o.deleted = true
	return nil, nil
}
