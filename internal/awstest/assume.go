// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// user is whose access key every request is signed with that no role was taken
// on for.
const user = "arn:aws:iam::" + Account + ":user/serve"

// Session is a role that was taken on.
type Session struct {
	Role       string // its ARN
	Name       string
	ExternalID string
	// Key is the access key that was given for it.
	Key string
	// bound says that IAM knows the role, and so what it may do.
	bound bool
}

// arn is what the caller is then called.
func (s Session) arn() string {
	_, name, _ := strings.Cut(s.Role, ":role/")
	return "arn:aws:sts::" + Account + ":assumed-role/" + name[strings.LastIndex(name, "/")+1:] + "/" + s.Name
}

// token is what every request has to show beside being signed with the key.
func (s Session) token() string { return "token-of-" + s.Key }

// caller gives the ARN of whoever has an access key, and the role that it was given
// for; empty for one of nobody.
func (a *AWS) caller(key, token string) (Session, string) {
	if key == AccessKey {
		return Session{}, user
	}
	for _, s := range a.books.sessions {
		if s.Key == key && s.token() == token {
			return s, s.arn()
		}
	}
	return Session{}, ""
}

// begin gives an access key for a role.
func (a *AWS) begin(s Session) Session {
	s.Key = "ASIA" + strings.ToUpper(hex16(a.random.Uint64()))
	s.bound = slices.ContainsFunc(a.roles, func(r *role) bool { return r.arn() == s.Role })
	a.books.sessions = append(a.books.sessions, s)
	return s
}

// assumeRole lets everybody be every role of this account, whether IAM knows it or
// not, but for those whose name ends with "-of-others".
func assumeRole(c *call, in fields) (fields, error) {
	s := Session{Role: in.Text("RoleArn"), Name: in.Text("RoleSessionName"), ExternalID: in.Text("ExternalId")}
	if !strings.HasPrefix(s.Role, "arn:aws:iam::"+Account+":role/") || strings.HasSuffix(s.Role, "-of-others") {
		return nil, refusal(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", user, s.Role)
	}
	s = c.begin(s)
	return fields{
		"Credentials": fields{
			"AccessKeyId": s.Key, "SecretAccessKey": SecretKey, "SessionToken": s.token(), "Expiration": c.now.Add(time.Hour),
		},
		"AssumedRoleUser": fields{"AssumedRoleId": "AROA" + strings.ToUpper(hex16(hash(s.Role))) + ":" + s.Name, "Arn": s.arn()},
	}, nil
}
