// SPDX-License-Identifier: Apache-2.0

// Podcheck says what Kubernetes' own code thinks of pods: what the API server's defaulting,
// conversion and validation find, what the Pod Security profile "restricted" would refuse, and
// the QoS class. Pods come as JSON objects on stdin, the verdicts leave likewise on stdout.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

type verdict struct {
	Invalid    []string `json:"invalid"`
	Restricted []string `json:"restricted"`
	QOS        string   `json:"qos"`
}

// invalid is what an API server would answer to a request to make the pod.
func invalid(pod *v1.Pod) ([]string, error) {
	legacyscheme.Scheme.Default(pod)
	inner := &core.Pod{}
	if err := legacyscheme.Scheme.Convert(pod, inner, nil); err != nil {
		return nil, err
	}
	options := podutil.GetValidationOptionsFromPodSpecAndMeta(
		&inner.Spec, nil, &inner.ObjectMeta, nil)
	found := []string{}
	for _, each := range validation.ValidatePodCreate(inner, options) {
		found = append(found, each.Error())
	}
	return found, nil
}

// restricted is what the profile of that name forbids, check by check.
func restricted(pod *v1.Pod) ([]string, error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	found := []string{}
	for _, each := range evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec) {
		if !each.Allowed {
			found = append(found, each.ForbiddenReason+": "+each.ForbiddenDetail)
		}
	}
	return found, nil
}

func judge(pod *v1.Pod) (answer verdict, err error) {
	if answer.Invalid, err = invalid(pod); err != nil {
		return
	}
	if answer.Restricted, err = restricted(pod); err != nil {
		return
	}
	answer.QOS = string(qos.ComputePodQOS(pod))
	return
}

func run() error {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	in.DisallowUnknownFields()
	for {
		pod := &v1.Pod{}
		if err := in.Decode(pod); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		answer, err := judge(pod)
		if err != nil {
			return fmt.Errorf("pod %q: %w", pod.Name, err)
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "podcheck:", err)
		os.Exit(1)
	}
}
