// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package tools names the program that run.py builds.
package tools

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
