// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// Cloud launches and ends machines. Implementations are safe for concurrent
// use. Every machine carries the whole [Ref] of its replica, so that List finds
// it when all else is lost.
type Cloud interface {
	// Name is the cloud's name in locations: "local", "aws".
	Name() string
	// Offers lists what could satisfy r in this cloud, in both markets whatever
	// r.UseSpot says, spot first only by price. Nothing fitting is an empty list,
	// not an error.
	Offers(ctx context.Context, r Resource) ([]Offer, error)
	// Launch makes the machine of req.Ref, or returns the one that is there
	// already: it may be called again after a crash, and never makes two. It
	// returns when the machine is up and its program is being started.
	//
	// ErrCapacity and ErrQuota mean that this offer will not do now and nothing
	// was left behind; ErrInvalid and ErrUnauthorized that trying again is in
	// vain; anything else that it may be tried again.
	Launch(ctx context.Context, req LaunchRequest) (Instance, error)
	// Terminate ends the machine of ref with everything that belongs to it and
	// returns when it is gone. No such machine is success.
	Terminate(ctx context.Context, ref Ref) error
	// List gives every machine tagged with the service's name, of any UID, also
	// those only half made. It is the truth after a crash: a machine that is not
	// listed does not exist.
	List(ctx context.Context, service string) ([]Instance, error)
	// Logs opens what the replica's setup and run have printed. The reader ends
	// at the present end, or with opt.Follow when the machine or ctx does.
	// ErrNotFound means that there is no such machine.
	Logs(ctx context.Context, ref Ref, opt LogOptions) (io.ReadCloser, error)
	// Notices calls tell for everything the cloud has to tell about the
	// service's machines until ctx ends, the present state of each machine first
	// if it is anything but running well. A cloud with nothing to tell just
	// waits. An error other than ctx's means that notices may have been missed;
	// the caller lists and calls again.
	Notices(ctx context.Context, service string, tell func(Notice)) error
}

// Dialer is a [Cloud] whose machines are reached in a way of its own, such as a
// connection that is encrypted up to the machine. The servers of other clouds are
// connected to plainly.
type Dialer interface {
	// Dial connects to the server on the machine of ref, which is at address as
	// Launch has given it. What is read and written is the server's own protocol.
	Dial(ctx context.Context, ref Ref, address string) (net.Conn, error)
}

// Restarter is a [Cloud] whose machines can be given another task.
type Restarter interface {
	// Restart ends the program on the machine of req.Ref and has the machine run
	// that of req.Task instead, in a working directory of its own, where setup runs
	// again; what programs have put into their home directory stays. The machine
	// keeps its ID, offer and address, and from then on is listed with
	// req.Revision. It returns when the program is being started. A machine that
	// has that revision already is left as it is, so that Restart may be called
	// again after a crash.
	//
	// ErrNotFound means that there is no such machine, or that it is not running
	// any more; ErrInvalid that trying again is in vain; anything else that it may
	// be tried again. Until then the machine runs what it ran before, or nothing.
	Restart(ctx context.Context, req LaunchRequest) (Instance, error)
}

// Keyholder is a [Cloud] that is shown credentials, which may be given anew while it is
// in use; see [CredentialsOf].
type Keyholder interface {
	// Renew has the cloud be shown what is given now, if that is not what it is shown
	// already, and reports whether it has changed. What the cloud does not let in is
	// not used: the error says why, and what was shown before still is. What is under
	// way goes on.
	Renew(ctx context.Context) (changed bool, err error)
}

// Cleaner is a [Cloud] in which there is more of a service than its machines.
type Cleaner interface {
	// Clean removes the rest when the last machine of the service is gone, as
	// List tells. Nothing there is success.
	Clean(ctx context.Context, service string) error
}

// LaunchRequest is everything a cloud needs to make a replica's machine.
type LaunchRequest struct {
	Ref      Ref
	Revision int64
	Offer    Offer
	// Resource is the entry of the spec's resources the offer satisfies.
	Resource Resource
	// Port is the port the server is to listen on.
	Port int
	Task Task
	// Bundle opens a bundle named in Task by its digest: a gzipped tar archive.
	Bundle func(digest string) (io.ReadCloser, error)
}

// Instance is a machine as its cloud sees it.
type Instance struct {
	Ref      Ref   `json:"ref"`
	Revision int64 `json:"revision"`
	// ID is the cloud's own name for the machine.
	ID    string `json:"id"`
	Offer Offer  `json:"offer"`
	// Address is "host:port" where the server is to be reached.
	Address    string    `json:"address"`
	LaunchedAt time.Time `json:"launched_at"`
	// Running is false for a machine that is half made, or gone but not yet
	// cleared away.
	Running bool `json:"running"`
}

// NoticeKind sorts notices.
type NoticeKind string

// The kinds of notices.
const (
	// NoticeInterruption warns that the machine will be taken at Deadline.
	NoticeInterruption NoticeKind = "interruption"
	// NoticeRisk warns that the cloud may take the machine sooner than others; most
	// that are warned of live on for long.
	NoticeRisk NoticeKind = "risk"
	// NoticeGone tells that the machine is not running any more, and that nobody
	// here asked for it.
	NoticeGone NoticeKind = "gone"
	// NoticeExited tells that setup or run has ended, with ExitCode; Detail says
	// which of the two.
	NoticeExited NoticeKind = "exited"
	// NoticeCapacity tells that it is worth asking again for machines of Market
	// in Location.
	NoticeCapacity NoticeKind = "capacity"
)

// Notice is something a cloud tells unasked.
type Notice struct {
	Kind     NoticeKind `json:"kind"`
	Ref      Ref        `json:"ref,omitzero"`
	Deadline time.Time  `json:"deadline,omitzero"`
	ExitCode int        `json:"exit_code,omitempty"`
	// Revision is that of the program that has ended, 0 if the cloud does not know.
	Revision int64    `json:"revision,omitempty"`
	Location Location `json:"location,omitzero"`
	Market   Market   `json:"market,omitempty"`
	Detail   string   `json:"detail,omitempty"`
}

// LogOptions says which part of a log is wanted.
type LogOptions struct {
	// Follow goes on with what is added.
	Follow bool
	// Tail limits what is there already to its last lines; 0 is all of it.
	Tail int
}

// Last gives the last lines of a log that is whole, as many as Tail says.
func (o LogOptions) Last(log io.Reader) (string, error) {
	n := o.Tail
	if n <= 0 {
		all, err := io.ReadAll(log)
		return string(all), err
	}
	var lines []string
	reader := bufio.NewReader(log)
	for {
		line, err := reader.ReadString('\n')
		if line != "" {
			lines = append(lines, line)
		}
		if len(lines)-n > n { // seldom, as each time all that stay are moved
			lines = slices.Delete(lines, 0, len(lines)-n)
		}
		if errors.Is(err, io.EOF) {
			return strings.Join(lines[max(0, len(lines)-n):], ""), nil
		}
		if err != nil {
			return "", err
		}
	}
}
