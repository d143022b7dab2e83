// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// gceWait is for how long Compute Engine keeps a question that asks for a change.
	gceWait = 30 * time.Second
	// gceNotice is how long a preempted machine is there yet that has asked for no notice,
	// and how long the system has to shut down of one that has, when that is over.
	gceNotice = 30 * time.Second
	// gcePause is how long after a failure it is asked again.
	gcePause = time.Second
)

// GCENotice is the item of a machine's metadata that says how many seconds of notice it
// has asked for: Compute Engine itself does not tell.
const GCENotice = "serve-infra-preemption-notice"

// gce is the metadata service of Compute Engine, which tells of changes.
type gce struct{ endpoint string }

func newGCE() *gce {
	return &gce{"http://" + cmp.Or(os.Getenv("GCE_METADATA_HOST"), "169.254.169.254") + "/computeMetadata/v1/instance/"}
}

func (g *gce) address(ctx context.Context) (string, error) {
	said, _, err := g.ask(ctx, "network-interfaces/0/ip", nil, metadataPatience)
	return said, err
}

func (g *gce) watch(ctx context.Context, log *slog.Logger, tell func(Warning)) {
	trouble := grumbler{log: log}
	// The first time it answers at once, and from then on when it is another answer.
	query, patience := url.Values(nil), metadataPatience
	for ctx.Err() == nil {
		said, header, err := g.ask(ctx, "preempted", query, patience)
		if ctx.Err() != nil {
			return
		}
		trouble.see(err)
		if err != nil {
			select {
			case <-time.After(gcePause):
			case <-ctx.Done():
			}
			continue
		}
		if strings.EqualFold(said, "TRUE") {
			now := time.Now()
			tell(Warning{Kind: WarningInterruption, At: now, Deadline: now.Add(g.notice(ctx)), Detail: "Compute Engine preempts the machine"})
			<-ctx.Done() // it is never taken back
			return
		}
		query = url.Values{"wait_for_change": {"true"}, "timeout_sec": {"30"}, "last_etag": {header.Get("ETag")}}
		patience = gceWait + metadataPatience
	}
}

// notice is how long after it is told of it a preempted machine is there yet.
func (g *gce) notice(ctx context.Context) time.Duration {
	said, _, err := g.ask(ctx, "attributes/"+GCENotice, nil, metadataPatience)
	if err != nil {
		return gceNotice
	}
	seconds, err := strconv.Atoi(said)
	if err != nil {
		return gceNotice
	}
	return max(gceNotice, time.Duration(seconds)*time.Second)
}

func (g *gce) ask(ctx context.Context, path string, query url.Values, patience time.Duration) (string, http.Header, error) {
	at := g.endpoint + path
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	return askMetadata(ctx, http.MethodGet, at, map[string]string{"Metadata-Flavor": "Google"}, patience)
}
