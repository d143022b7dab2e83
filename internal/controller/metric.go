// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// metricPause is the pause between two questions for an external metric, that
	// between two looks of the policy, and metricTimeout what one may take.
	metricPause   = 20 * time.Second
	metricTimeout = 10 * time.Second
	// metricLifetime is for how long a number is believed.
	metricLifetime = 2 * time.Minute
	// maxMetric is how long the answer may be.
	maxMetric = 1 << 20
)

// metric is an external metric that is being asked for.
type metric struct {
	of   serve.ExternalMetric
	stop context.CancelFunc
	// value was had at a moment, zero if it never was; failing says that the last
	// question had no answer.
	value   float64
	at      time.Time
	failing bool
}

// measure makes sure that the external metric of the newest spec is asked for.
func (l *loop) measure() {
	wanted := l.state.Spec.ReplicaPolicy.ExternalMetric
	if l.metric != nil && wanted != nil && l.metric.of == *wanted {
		return
	}
	if l.metric != nil {
		l.metric.stop()
		l.metric = nil
	}
	if wanted == nil {
		return
	}
	ctx, cancel := context.WithCancel(l.ctx)
	m := &metric{of: *wanted, stop: cancel}
	l.metric = m
	l.workers.Go(func() {
		defer cancel()
		client := &http.Client{Timeout: metricTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
		for {
			value, err := fetchMetric(ctx, client, m.of)
			if ctx.Err() != nil || !l.c.post(ctx, func() { l.measured(m, value, err) }) || !sleep(ctx, l.c.pace.metric) {
				return
			}
		}
	})
}

// measured takes in an answer, or that there was none.
func (l *loop) measured(m *metric, value float64, err error) {
	if l.metric != m {
		return
	}
	if err != nil {
		if !m.failing {
			l.note(serve.EventError, 0, "The external metric could not be had: %v", err)
		}
		m.failing = true
		return
	}
	if m.failing {
		l.note(serve.EventStatus, 0, "The external metric can be had again")
	}
	m.value, m.at, m.failing, l.dirty = value, now(), false, true
}

// known gives the metric, nil if it is not known any more.
func (m *metric) known(at time.Time) *float64 {
	if m == nil || m.at.IsZero() || at.Sub(m.at) > metricLifetime {
		return nil
	}
	value := m.value
	return &value
}

// fetchMetric asks for the metric.
func fetchMetric(ctx context.Context, client *http.Client, m serve.ExternalMetric) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL, nil)
	if err != nil {
		return 0, fmt.Errorf("making the request: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxMetric+1))
	switch {
	case err != nil:
		return 0, fmt.Errorf("reading the answer of %s: %w", m.URL, err)
	case resp.StatusCode != http.StatusOK:
		return 0, fmt.Errorf("%s answered %s", m.URL, resp.Status)
	case len(body) > maxMetric:
		return 0, fmt.Errorf("the answer of %s is longer than %d bytes", m.URL, maxMetric)
	}
	value, err := numberIn(body, m.Field)
	if err != nil {
		return 0, fmt.Errorf("reading the answer of %s: %w", m.URL, err)
	}
	return value, nil
}

// numberIn finds the number in an answer.
func numberIn(body []byte, field string) (float64, error) {
	text := strings.TrimSpace(string(body))
	if field != "" {
		var document any
		if err := json.Unmarshal(body, &document); err != nil {
			return 0, fmt.Errorf("it is no JSON document: %w", err)
		}
		for step := range strings.SplitSeq(field, ".") {
			found, ok := child(document, step)
			if !ok {
				return 0, fmt.Errorf("there is no %q in it, of %q", step, field)
			}
			document = found
		}
		text = fmt.Sprint(document)
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, fmt.Errorf("%.40q is not a number", text)
	}
	return value, nil
}

// child gives a member of an object, or an element of an array.
func child(of any, step string) (any, bool) {
	switch of := of.(type) {
	case map[string]any:
		found, ok := of[step]
		return found, ok
	case []any:
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(of) {
			return nil, false
		}
		return of[i], true
	}
	return nil, false
}
