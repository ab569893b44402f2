{{/*
SPDX-License-Identifier: Apache-2.0

Names, labels, and the rules between values of this chart; those of the server are checked in
pinnace-sidecar.
*/}}

{{- define "pinnace.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "pinnace.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pinnace.labels" -}}
{{ include "pinnace.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: {{ .Values.mode }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "pinnace.metadata" -}}
name: {{ include "pinnace.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "pinnace.labels" . | nindent 2 }}
{{- end }}

{{- define "pinnace.check" -}}
{{- $server := include "pinnace-sidecar.values" . | fromYaml -}}
{{- if eq .Values.mode "standalone" -}}
{{- if not $server.tcp.enabled -}}
{{- fail "mode: standalone is reached through a Service, which needs pinnace.tcp.enabled: enable it, or set mode: sidecar" -}}
{{- end -}}
{{- if include "pinnace-sidecar.loopback" .Values.pinnace.tcp.address -}}
{{- fail (printf "mode: standalone is reached from other pods, and pinnace.tcp.address %s is inside this one: set it to 0.0.0.0 or ::" .Values.pinnace.tcp.address) -}}
{{- end -}}
{{- else -}}
{{- include "pinnace.checkApp" . -}}
{{- end -}}
{{- include "pinnace.checkMonitors" . -}}
{{- include "pinnace.checkNames" . -}}
{{- if and .Values.service.headless (ne .Values.service.type "ClusterIP") -}}
{{- fail (printf "service.headless has no address, and service.type: %s needs one: keep one" .Values.service.type) -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail (printf "autoscaling.minReplicas %d is above maxReplicas %d: change one" (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not (or (.Values.pinnace.resources.requests | default dict).cpu (.Values.pinnace.resources.limits | default dict).cpu)) -}}
{{- fail "autoscaling measures CPU in per cent of pinnace.resources.requests.cpu, which is not set: set it" -}}
{{- end -}}
{{- end }}

{{/* The Service's name must be a DNS label that begins with a letter; releases may be called otherwise. */}}
{{- define "pinnace.checkNames" -}}
{{- $name := include "pinnace.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "the release %s would name its Service %s, which must be small letters, digits and -, with a letter first: set fullnameOverride, or name the release otherwise" .Release.Name $name) -}}
{{- end -}}
{{- $labels := include "pinnace.labels" . | fromYaml -}}
{{- range $label, $value := .Values.podLabels -}}
{{- if hasKey $labels $label -}}
{{- fail (printf "podLabels: %s is a label that the chart sets: take it out" $label) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "pinnace.checkApp" -}}
{{- $server := include "pinnace-sidecar.values" . | fromYaml -}}
{{- if not .Values.app.image.repository -}}
{{- fail "mode: sidecar runs your application beside the server: set app.image.repository, or mode: standalone" -}}
{{- end -}}
{{- include "pinnace-sidecar.checkImage" (dict "key" "app.image" "image" .Values.app.image) -}}
{{- if and $server.uds.enabled (eq (dir $server.uds.path) "/tmp") -}}
{{- fail "pinnace.uds.path: its folder becomes a volume, and the application has another at /tmp: use a folder below, such as /tmp/pinnace/grpc.sock" -}}
{{- end -}}
{{- range $name, $listener := pick $server "tcp" "metrics" -}}
{{- if and $listener.enabled (eq (int $listener.port) (int $.Values.app.port)) -}}
{{- fail (printf "app.port and pinnace.%s.port are both %d, and the containers of a pod share their ports: change one" $name (int $listener.port)) -}}
{{- end -}}
{{- end -}}
{{- include "pinnace-sidecar.requireGuaranteed" (dict "root" . "name" "app" "resources" .Values.app.resources) -}}
{{- include "pinnace-sidecar.checkRequests" (dict "name" "app" "resources" .Values.app.resources) -}}
{{- include "pinnace.checkAppTimes" . -}}
{{- end }}

{{/* A native sidecar is told to end when the application has ended, one more container with it. */}}
{{- define "pinnace.checkAppTimes" -}}
{{- $server := include "pinnace-sidecar.values" . | fromYaml -}}
{{- $app := int .Values.app.preStopSeconds -}}
{{- $own := ternary (int $server.preStopSeconds) 0 (eq (include "pinnace-sidecar.native" .) "true") -}}
{{- $least := add $app $own (int $server.drainSeconds) 5 -}}
{{- if ge $least (int64 $server.terminationGracePeriodSeconds) -}}
{{- fail (printf "app.preStopSeconds %d + pinnace.preStopSeconds %d + pinnace.drainSeconds %d + 5 must be below pinnace.terminationGracePeriodSeconds %d, or the end is cut short by SIGKILL: set pinnace.terminationGracePeriodSeconds to %d or more" $app $own (int $server.drainSeconds) (int $server.terminationGracePeriodSeconds) (add1 $least)) -}}
{{- end -}}
{{- end }}

{{- define "pinnace.checkMonitors" -}}
{{- if not .Values.pinnace.metrics.enabled -}}
{{- range $name, $value := pick .Values "serviceMonitor" "podMonitor" "prometheusRule" -}}
{{- if $value.enabled -}}
{{- fail (printf "%s.enabled needs the metrics port, and pinnace.metrics.enabled is false: change one" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- fail "serviceMonitor.enabled and podMonitor.enabled would scrape each pod twice: keep one" -}}
{{- end -}}
{{- if and .Values.pinnace.metrics.scrapeAnnotations (or .Values.serviceMonitor.enabled .Values.podMonitor.enabled) -}}
{{- fail "pinnace.metrics.scrapeAnnotations beside a serviceMonitor or podMonitor would scrape each pod twice: keep one" -}}
{{- end -}}
{{- end }}
