// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// ec2Pause is how often EC2 is asked: what it does not answer to a question it
	// does not tell at all.
	ec2Pause = time.Second
	// ec2TokenSeconds is for how long a token is asked for; half of that it is used.
	ec2TokenSeconds = 21600
	// ec2Notice is how long before the end of a spot machine EC2 tells of it.
	ec2Notice = 2 * time.Minute
)

// ec2 is the metadata service of EC2, in its second version, which wants a token
// with every question.
type ec2 struct {
	endpoint string
	token    string
	until    time.Time // when the token is to be replaced
}

func newEC2() *ec2 {
	endpoint := cmp.Or(os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"), "http://169.254.169.254")
	return &ec2{endpoint: strings.TrimSuffix(endpoint, "/")}
}

func (e *ec2) address(ctx context.Context) (string, error) { return e.ask(ctx, "local-ipv4") }

// watch asks once a second. It is the only one who asks while it runs.
func (e *ec2) watch(ctx context.Context, log *slog.Logger, tell func(Warning)) {
	trouble := grumbler{log: log}
	look := time.NewTicker(ec2Pause)
	defer look.Stop()
	for {
		trouble.see(e.look(ctx, tell))
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// look asks for everything that EC2 can have to tell about the machine's end.
func (e *ec2) look(ctx context.Context, tell func(Warning)) error {
	for _, question := range []struct {
		path string
		read func(string) (Warning, bool)
	}{
		{"spot/instance-action", readInstanceAction},
		{"events/recommendations/rebalance", readRebalance},
		{"autoscaling/target-lifecycle-state", readLifecycle},
	} {
		said, err := e.ask(ctx, question.path)
		if errors.Is(err, errNoSuchMetadata) {
			continue
		}
		if err != nil {
			return fmt.Errorf("asking for %s: %w", question.path, err)
		}
		if w, ok := question.read(said); ok {
			w.At = time.Now()
			tell(w)
		}
	}
	return nil
}

// readInstanceAction reads {"action": "terminate", "time": "2026-01-01T00:00:00Z"}.
// Whatever it says, it is there only when the machine is going to be taken.
func readInstanceAction(said string) (Warning, bool) {
	var action struct {
		Action string    `json:"action"`
		Time   time.Time `json:"time"`
	}
	if err := json.Unmarshal([]byte(said), &action); err != nil || action.Time.IsZero() {
		return Warning{Kind: WarningInterruption, Deadline: time.Now().Add(ec2Notice), Detail: said}, true
	}
	return Warning{Kind: WarningInterruption, Deadline: action.Time, Detail: "EC2 will " + action.Action + " the machine"}, true
}

// readRebalance reads {"noticeTime": "2026-01-01T00:00:00Z"}.
func readRebalance(string) (Warning, bool) {
	return Warning{Kind: WarningRebalance, Detail: "EC2 recommends to rebalance"}, true
}

// readLifecycle reads the state that a machine of an Auto Scaling group is to be in.
func readLifecycle(said string) (Warning, bool) {
	return Warning{Kind: WarningScaling, Detail: "its Auto Scaling group ends the machine"}, strings.HasSuffix(said, "Terminated")
}

// ask gives the answer to one question. A token that is not taken is replaced once.
func (e *ec2) ask(ctx context.Context, path string) (string, error) {
	said, err := e.askOnce(ctx, path)
	if errors.Is(err, serve.ErrUnauthorized) {
		e.token = ""
		said, err = e.askOnce(ctx, path)
	}
	return said, err
}

func (e *ec2) askOnce(ctx context.Context, path string) (string, error) {
	if e.token == "" || time.Now().After(e.until) {
		header := map[string]string{"X-aws-ec2-metadata-token-ttl-seconds": fmt.Sprint(ec2TokenSeconds)}
		token, _, err := askMetadata(ctx, http.MethodPut, e.endpoint+"/latest/api/token", header, metadataPatience)
		if err != nil {
			return "", fmt.Errorf("asking for a token: %w", err)
		}
		e.token, e.until = token, time.Now().Add(ec2TokenSeconds/2*time.Second)
	}
	header := map[string]string{"X-aws-ec2-metadata-token": e.token}
	said, _, err := askMetadata(ctx, http.MethodGet, e.endpoint+"/latest/meta-data/"+path, header, metadataPatience)
	return said, err
}
