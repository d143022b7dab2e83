// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// fields is a structure of an API: what was asked, or what is answered.
type fields = cloudtest.Fields

// protocol is how a service is spoken to.
type protocol interface {
	// action tells what is asked for, and gives what is to be decoded.
	action(m *model, r *http.Request, body []byte) (action string, content any, err error)
	// decode reads content as a shape. It fails with a *departure.
	decode(m *model, shape string, content any) (fields, error)
	answer(m *model, action, request string, out fields) (cloudtest.Answer, error)
	refuse(request string, e *Error) cloudtest.Answer
	// code is what the service calls a departure from its model.
	code(f fault) string
	unauthorized() *Error
	// forbidden says that a caller may not do something, in the words of policies.
	forbidden(by, permission string) *Error
}

// service is one API of AWS: the name it is signed for, what it speaks, its
// model, and what it does of that.
type service struct {
	name     string
	protocol protocol
	model    *model
	actions  map[string]handler
}

// handler carries out an action, with AWS locked, on a request that is as the
// model wants it. It fails with an *Error.
type handler func(c *call, in fields) (fields, error)

// call is one request as its handler sees it.
type call struct {
	*AWS
	region  *region
	now     time.Time
	by      string // the ARN of the caller
	session Session
}

// newServices gives every API that there is here, with its model. A new one
// needs its row, and its actions.
func newServices() (map[string]*service, error) {
	services := map[string]*service{}
	for _, row := range []struct {
		name, path string
		protocol   protocol
		actions    map[string]handler
	}{
		{"ec2", "ec2/2016-11-15", queryProtocol{ec2: true}, ec2Actions()},
		{"sts", "sts/2011-06-15", queryProtocol{}, stsActions()},
		{"s3", "s3/2006-03-01", restProtocol{}, s3Actions()},
		{"autoscaling", "autoscaling/2011-01-01", queryProtocol{}, autoscalingActions()},
		{"iam", "iam/2010-05-08", queryProtocol{}, iamActions()},
		{"ssm", "ssm/2014-11-06", jsonProtocol{}, ssmActions()},
		{"pricing", "pricing/2017-10-15", jsonProtocol{}, pricingActions()},
		{"servicequotas", "service-quotas/2019-06-24", jsonProtocol{}, quotaActions()},
	} {
		m, err := models.Read(row.path)
		if err != nil {
			return nil, err
		}
		services[row.name] = &service{name: row.name, protocol: row.protocol, model: m, actions: row.actions}
	}
	return services, nil
}

// ServeHTTP implements [http.Handler].
func (a *AWS) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.answer(r).Write(w) }

// scope is what a request was signed for.
type scope struct{ key, region, service string }

// signedFor reads it from the Authorization header of signature version 4.
func signedFor(r *http.Request) (scope, bool) {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=")
	credential, _, _ := strings.Cut(rest, ",")
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || parts[4] != "aws4_request" {
		return scope{}, false
	}
	return scope{key: parts[0], region: parts[2], service: parts[3]}, true
}

// answer does what a request asks for, and fails the test if the request could
// not have been meant for AWS, or the answer could not have come from it.
func (a *AWS) answer(r *http.Request) cloudtest.Answer {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return cloudtest.Said(http.StatusBadRequest, "text/plain", nil)
		}
	}
	s, signed := signedFor(r)
	srv := a.services[s.service]
	if srv == nil && !signed {
		srv = a.services["ec2"]
	} else if srv == nil {
		a.errorf("a request was signed for %q, which is no service here", s.service)
		return cloudtest.Said(http.StatusNotFound, "text/plain", nil)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serial++
	request := fmt.Sprintf("00000000-0000-4000-8000-%012d", a.serial)
	region := a.regions[s.region]
	session, by := a.caller(s.key, r.Header.Get("X-Amz-Security-Token"))
	if !signed || by == "" || region == nil {
		return srv.protocol.refuse(request, srv.protocol.unauthorized())
	}
	if a.faults.Down {
		return srv.protocol.refuse(request, Unavailable())
	}
	if !genuine(r, body, s) {
		return srv.protocol.refuse(request, refusal(http.StatusForbidden, "SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."))
	}
	got := a.perform(&call{AWS: a, region: region, now: time.Now(), by: by, session: session}, srv, request, r, body)
	if r.Method == http.MethodHead {
		got.Body = nil
	}
	return got
}

func (a *AWS) perform(c *call, srv *service, request string, r *http.Request, body []byte) cloudtest.Answer {
	action, content, err := srv.protocol.action(srv.model, r, body)
	a.books.calls[srv.name+":"+action]++
	var in fields
	if err == nil {
		in, err = srv.read(action, content)
	}
	if err != nil {
		return srv.protocol.refuse(request, a.refused(srv, action, err))
	}
	a.scale(c.now)
	verdict := a.judge(c, srv, action, in)
	if verdict.Err != nil {
		return srv.protocol.refuse(request, verdict.Err)
	}
	out, err := srv.actions[action](c, in)
	got, err := a.conclude(srv, action, request, out, err)
	if err != nil {
		a.errorf("%s:%s: the model of AWS does not allow this answer: %v", srv.name, action, err)
		got = srv.protocol.refuse(request, refusal(http.StatusInternalServerError, "InternalFailure", "%v", err))
	}
	got.Lost = verdict.Lose
	return got
}

func (a *AWS) conclude(srv *service, action, request string, out fields, err error) (cloudtest.Answer, error) {
	if err == nil {
		return srv.protocol.answer(srv.model, action, request, out)
	}
	var e *Error
	if !errors.As(err, &e) {
		return cloudtest.Answer{}, err
	}
	return srv.protocol.refuse(request, e), nil
}

// read holds a request to the model.
func (s *service) read(action string, content any) (fields, error) {
	op, known := s.model.Operations[action]
	if !known {
		return nil, depart(outside, "Action", "The action %s is not valid for this web service.", action)
	}
	if s.actions[action] == nil {
		return nil, depart(outside, "Action", "The action %s is one of AWS, but not done by package awstest.", action)
	}
	if op.Input == nil {
		return fields{}, nil
	}
	in, err := s.protocol.decode(s.model, op.Input.Shape, content)
	if err == nil {
		err = s.model.constrain(op.Input.Shape, "", in)
	}
	return in, err
}

// refused notes a request that departs from the model, and says how AWS would
// refuse it.
func (a *AWS) refused(srv *service, action string, err error) *Error {
	code := "InternalFailure"
	if d, ok := errors.AsType[*departure](err); ok {
		code = srv.protocol.code(d.fault)
		if d.path == "Action" {
			code = "InvalidAction"
		}
	}
	told := fmt.Sprintf("%s:%s: %s: %v", srv.name, action, code, err)
	a.books.refused = append(a.books.refused, told)
	if !a.faults.Departures {
		a.errorf("a request departs from AWS' own model: %s", told)
	}
	return refusal(http.StatusBadRequest, code, "%v", err)
}
