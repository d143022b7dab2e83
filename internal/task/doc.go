// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package task carries out the task of a replica on the machine it is meant for:
// it puts the files in place, gives the scripts their environment, and runs them,
// setup first and then run.
//
// Scripts are run by bash where there is one, and otherwise by sh, in a process
// group of their own. Their environment is that of whoever starts them, less what
// belongs to Terraform and to this program, and with
//
//	HOST, PORT                        where the server is to listen
//	SERVE_SERVICE, SERVE_SERVICE_UID  whose replica it is
//	SERVE_REPLICA_ID                  which one (also as SKYPILOT_SERVE_REPLICA_ID)
//	SERVE_NOTICE_FILE                 where {"deadline": …} appears when the machine
//	                                  is going to be taken
//	HOME                              if files are mounted below "~/" of the replica's own
//
// What the package does not know is where things are: that is for whoever has the
// machine to say.
package task
