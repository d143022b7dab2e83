// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// retryPause is the time between two attempts to watch a controller.
	retryPause = 500 * time.Millisecond
	// logLines is how much of a failed replica's log is shown, and logBytes how
	// much at most if the lines are long.
	logLines, logBytes = 20, 16 << 10
)

// errFailed means that the revision will never be ready.
var errFailed = errors.New("the service has failed")

// errRolledBack means that the revision was given up for an earlier one.
var errRolledBack = errors.New("the revision was rolled back")

// settle waits until the revision just applied is ready and gives the service as
// it was last seen. Being late is a warning only: an error would have Terraform
// replace a service that is merely slow, ending replicas that are ready.
func (m serviceModel) settle(ctx context.Context, client serve.Client, applied serve.Service) (serve.Service, diag.Diagnostics) {
	var diags diag.Diagnostics
	last := applied
	err := awaitReady(ctx, client, applied.Revision, func(s serve.Service) { last = s })
	ready, wanted := progress(last)
	state := fmt.Sprintf("%d of %d replicas of revision %d are ready. ", ready, wanted, last.Revision)
	const later = "The service is in Terraform's state and its controller keeps trying; refreshing shows how it gets on."
	switch {
	case err == nil:
	case errors.Is(err, errFailed):
		diags.AddError(failedSummary(last), m.explain(ctx, client, last))
	case errors.Is(err, errRolledBack):
		diags.AddError(fmt.Sprintf("Revision %d was rolled back", last.RolledBack.Revision), m.explainRollback(ctx, client, *last.RolledBack))
	case errors.Is(err, serve.ErrNotFound):
		diags.AddError("The service is gone", "It was deleted while Terraform waited for it to become ready.")
	case errors.Is(err, context.DeadlineExceeded):
		diags.AddWarning("The service is not ready yet", state+later+reason(last))
	case ctx.Err() != nil:
		diags.AddWarning("Waiting for the service was interrupted", state+later+reason(last))
	default:
		diags.AddWarning("Waiting for the service failed", state+later+"\n\n"+err.Error())
	}
	return last, diags
}

// reason gives what the service says of itself, or else what the first of the
// replicas that are waited for says, to follow a text.
func reason(s serve.Service) string {
	if s.Message != "" {
		return "\n\n" + s.Message
	}
	for _, r := range s.Replicas {
		if r.Revision == s.Revision && r.Status() != serve.Ready && r.Message != "" {
			return fmt.Sprintf("\n\nReplica %d is %s: %s", r.ID, r.Status(), r.Message)
		}
	}
	return ""
}

// awaitReady returns when the revision, or a newer one, is ready; errFailed when
// it will never be. A connection that breaks is taken up again until ctx ends.
func awaitReady(ctx context.Context, client serve.Client, revision int64, saw func(serve.Service)) error {
	for {
		result := errPending
		err := client.Watch(ctx, func(s serve.Service) bool {
			saw(s)
			ready, wanted := progress(s)
			tflog.Info(ctx, "waiting for replicas to become ready", map[string]any{
				"status": s.Status, "revision": s.Revision, "ready": ready, "wanted": wanted,
			})
			result = verdict(s, revision)
			return errors.Is(result, errPending)
		})
		switch {
		case !errors.Is(result, errPending):
			return result
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !errors.Is(err, serve.ErrUnreachable):
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// errPending means that there is something to wait for still.
var errPending = errors.New("not ready yet")

// verdict says whether the wait is over: nil when the service is ready, and has
// been for as long as it is to bake, errFailed when it never will be, errRolledBack
// when the revision was given up, and errPending else.
func verdict(s serve.Service, revision int64) error {
	ready, wanted := progress(s)
	switch {
	case s.Revision < revision || s.Status == serve.ControllerInit:
		return errPending
	case s.RolledBack != nil && s.RolledBack.Revision == revision:
		return errRolledBack
	case s.Failure != "":
		return errFailed
	case ready < wanted:
		return errPending
	case s.Revision == revision && s.Spec.Rollback.BakeSeconds > 0 && s.Good < revision:
		return errPending
	default:
		return nil
	}
}

// progress counts the replicas of the newest revision that are ready, and how
// many are to be.
func progress(s serve.Service) (ready, wanted int) {
	for _, r := range s.Replicas {
		if r.Revision == s.Revision && r.Status() == serve.Ready {
			ready++
		}
	}
	return ready, max(s.Target, s.Spec.ReplicaPolicy.MinReplicas)
}

// failedSummary says what has failed in a few words.
func failedSummary(s serve.Service) string {
	if s.Status == serve.Ready {
		return fmt.Sprintf("Revision %d has failed", s.Revision)
	}
	return "The service has failed"
}

// explain says why the service failed, with the end of a failed replica's log.
func (m serviceModel) explain(ctx context.Context, client serve.Client, s serve.Service) string {
	var b strings.Builder
	i := slices.IndexFunc(s.Replicas, func(r serve.Replica) bool {
		return r.Revision == s.Revision && (r.Status().IsFailed() || r.IsUnrecoverable())
	})
	b.WriteString(s.Failure + ".\n\n")
	if s.Status == serve.Ready {
		b.WriteString("Replicas of an earlier revision go on serving. ")
	}
	b.WriteString("The service is in Terraform's state. Correct what is wrong and apply again.")
	if i >= 0 {
		m.quoteLog(ctx, client, s.Replicas[i].ID, &b)
	}
	return m.withoutSecrets(ctx, b.String())
}

// explainRollback says why a revision was given up, and what is so now.
func (m serviceModel) explainRollback(ctx context.Context, client serve.Client, r serve.RolledBack) string {
	var b strings.Builder
	fmt.Fprintf(&b, "It was given up, as %s.\n\nRevision %d is in force again, and its replicas serve. "+
		"The next plan shows the change again: correct what is wrong and apply it.", r.Reason, r.Good)
	if r.Replica != 0 {
		m.quoteLog(ctx, client, r.Replica, &b)
	}
	return m.withoutSecrets(ctx, b.String())
}

// quoteLog adds the end of a replica's log.
func (m serviceModel) quoteLog(ctx context.Context, client serve.Client, id int64, b *strings.Builder) {
	tail, err := logTail(ctx, client, id)
	if err != nil && !errors.Is(err, serve.ErrNotFound) { // a replica that never began has none
		fmt.Fprintf(b, "\n\nThe log of replica %d could not be read: %s", id, err)
	} else if tail != "" {
		fmt.Fprintf(b, "\n\nThe log of replica %d ends with:\n\n%s", id, tail)
	}
}

// withoutSecrets gives a text in which secrets are blacked out.
func (m serviceModel) withoutSecrets(ctx context.Context, text string) string {
	for _, secret := range m.secretValues(ctx) {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}

// logTail gives the last lines of a replica's log.
func logTail(ctx context.Context, client serve.Client, replica int64) (string, error) {
	log, err := client.Logs(ctx, replica, serve.LogOptions{Tail: logLines})
	if err != nil {
		return "", err
	}
	defer log.Close()
	data, err := io.ReadAll(io.LimitReader(log, logBytes))
	return strings.TrimSpace(string(data)), err
}

// pause waits a little, or gives the error of a context that ends meanwhile.
func pause(ctx context.Context) error {
	t := time.NewTimer(retryPause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
