// SPDX-License-Identifier: Apache-2.0

// Admit says what Kubernetes' own code thinks of manifests, as an API server without a cluster:
// decoding, defaulting and each kind's validation; for pods, also those of Deployments, what the
// Pod Security profile "restricted" forbids and the QoS class. Objects come as JSON on stdin;
// for each a verdict leaves on stdout.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/autoscaling/horizontalpodautoscaler"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// What the API server does with a new object of a kind.
var strategies = map[string]rest.RESTCreateStrategy{
	"ConfigMap":               configmap.Strategy,
	"Deployment":              deployment.Strategy,
	"HorizontalPodAutoscaler": horizontalpodautoscaler.Strategy,
	"NetworkPolicy":           networkpolicy.Strategy,
	"Pod":                     pod.Strategy,
	"PodDisruptionBudget":     poddisruptionbudget.Strategy,
	"Service":                 service.Strategy,
}

type verdict struct {
	Invalid    []string `json:"invalid"`
	Restricted []string `json:"restricted"`
	QOS        string   `json:"qos"`
}

// decode makes the object of its own version, with defaults, and the API server's inner one.
func decode(text []byte) (outer, inner runtime.Object, kind string, err error) {
	codecs := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)
	outer, group, err := codecs.UniversalDeserializer().Decode(text, nil, nil)
	if err != nil {
		return nil, nil, "", err
	}
	legacyscheme.Scheme.Default(outer)
	inner, err = legacyscheme.Scheme.ConvertToVersion(outer.DeepCopyObject(),
		runtime.InternalGroupVersioner)
	return outer, inner, group.Kind, err
}

// invalid is what the API server would answer to a request to make the object.
func invalid(inner runtime.Object, kind string) ([]string, error) {
	strategy, known := strategies[kind]
	if !known {
		return nil, fmt.Errorf("kind %s: none of those that are known here", kind)
	}
	ctx := request.WithRequestInfo(context.Background(), &request.RequestInfo{})
	// The allocator of addresses, which is not here, comes before validation.
	if service, ok := inner.(*core.Service); ok && service.Spec.ClusterIP != "" {
		service.Spec.ClusterIPs = []string{service.Spec.ClusterIP}
	}
	strategy.PrepareForCreate(ctx, inner)
	found := []string{}
	for _, each := range strategy.Validate(ctx, inner) {
		found = append(found, each.Error())
	}
	return found, nil
}

// restricted is what the profile of that name forbids, check by check.
func restricted(meta *metav1.ObjectMeta, spec *v1.PodSpec) ([]string, error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	found := []string{}
	for _, each := range evaluator.EvaluatePod(level, meta, spec) {
		if !each.Allowed {
			found = append(found, each.ForbiddenReason+": "+each.ForbiddenDetail)
		}
	}
	return found, nil
}

// podOf is the pod that an object is or makes; nil if there is none.
func podOf(object runtime.Object) *v1.Pod {
	switch typed := object.(type) {
	case *v1.Pod:
		return typed
	case *appsv1.Deployment:
		return &v1.Pod{ObjectMeta: typed.Spec.Template.ObjectMeta, Spec: typed.Spec.Template.Spec}
	}
	return nil
}

func judge(text []byte) (answer verdict, err error) {
	outer, inner, kind, err := decode(text)
	if err != nil {
		return
	}
	if answer.Invalid, err = invalid(inner, kind); err != nil {
		return
	}
	if pod := podOf(outer); pod != nil {
		answer.QOS = string(qos.ComputePodQOS(pod))
		answer.Restricted, err = restricted(&pod.ObjectMeta, &pod.Spec)
	}
	return
}

func run() error {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var text json.RawMessage
		if err := in.Decode(&text); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		answer, err := judge(text)
		if err != nil {
			return err
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "admit:", err)
		os.Exit(1)
	}
}
