// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const (
	// lookPause is the least time between two questions about instances that
	// somebody waits for.
	lookPause = 2 * time.Second
	// maxFilter is how many values EC2 takes in one filter.
	maxFilter = 200
	// blindness is for how long an instance that was launched may not be described
	// yet: what EC2 tells is only in the end what was done.
	blindness = 5 * time.Minute
)

// lookout follows the instances of a region that somebody waits for, all of them
// with one question at a time.
type lookout struct {
	mu sync.Mutex
	// waited counts who waits for each instance.
	waited map[string]int
	// asking is there while a question is under way; it is closed by the answer.
	asking chan struct{}
	// asked counts the questions, answered is the last one that has its answer, of
	// the time seenAt.
	asked, answered int
	seenAt          time.Time
	seen            map[string]types.Instance
	failed          error
}

// until waits for an instance to be as is wanted. Wanted is asked again with each
// answer of EC2, with nil while it does not know the instance; an error ends the
// waiting.
func (s *site) until(ctx context.Context, id string, wanted func(*types.Instance) (bool, error)) (types.Instance, error) {
	s.lookout.wait(id, 1)
	defer s.lookout.wait(id, -1)
	for {
		seen, err := s.look(ctx)
		if err != nil {
			return types.Instance{}, fmt.Errorf("looking for instance %s: %w", id, err)
		}
		var found *types.Instance
		if i, ok := seen[id]; ok {
			found = &i
		}
		ok, err := wanted(found)
		if err != nil || ok {
			if found == nil {
				found = &types.Instance{}
			}
			return *found, err
		}
	}
}

func (l *lookout) wait(id string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waited == nil {
		l.waited = map[string]int{}
	}
	if l.waited[id] += n; l.waited[id] == 0 {
		delete(l.waited, id)
	}
}

// look gives the answer of EC2 to a question that is newer than the call. Whoever
// comes while nobody asks does so for all.
func (s *site) look(ctx context.Context) (map[string]types.Instance, error) {
	l := &s.lookout
	l.mu.Lock()
	next := l.asked + 1
	l.mu.Unlock()
	for {
		l.mu.Lock()
		switch {
		case l.answered >= next:
			defer l.mu.Unlock()
			return l.seen, l.failed
		case l.asking != nil:
			answered := l.asking
			l.mu.Unlock()
			select {
			case <-answered:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			continue
		}
		l.asking = make(chan struct{})
		pause := time.Until(l.seenAt.Add(lookPause))
		l.mu.Unlock()
		if pause > 0 {
			sleep(ctx, pause)
		}
		s.ask(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// ask asks for all instances that are waited for, and lets everybody know. When
// only the one who asks has given up, nobody is told of a failure: another asks.
func (s *site) ask(ctx context.Context) {
	l := &s.lookout
	l.mu.Lock()
	l.asked++
	question, ids := l.asked, slices.Sorted(maps.Keys(l.waited))
	l.mu.Unlock()
	at := time.Now()
	seen := make(map[string]types.Instance, len(ids))
	var failed error
	for some := range slices.Chunk(ids, maxFilter) {
		// By a filter, as an id that is not known yet would spoil the answer for all.
		found, err := s.describe(ctx, []types.Filter{{Name: aws.String("instance-id"), Values: some}})
		for _, i := range found {
			seen[aws.ToString(i.InstanceId)] = i
		}
		failed = errors.Join(failed, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() == nil {
		l.answered, l.seenAt, l.seen, l.failed = question, at, seen, failed
	}
	close(l.asking)
	l.asking = nil
}

// describe gives the instances that the filters let through.
func (s *site) describe(ctx context.Context, by []types.Filter) ([]types.Instance, error) {
	var all []types.Instance
	pages := ec2.NewDescribeInstancesPaginator(s.ec2, &ec2.DescribeInstancesInput{Filters: by})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, meaning(err)
		}
		for _, r := range page.Reservations {
			all = append(all, r.Instances...)
		}
	}
	return all, nil
}
