{{/*
SPDX-License-Identifier: Apache-2.0

The server's container. Its options are what values give; its requests.cpu always reaches it,
for a container with exclusive CPUs has no quota to be seen inside.
*/}}

{{- define "pinnace-sidecar.container" -}}
{{- include "pinnace-sidecar.check" . -}}
{{- $values := include "pinnace-sidecar.values" . | fromYaml -}}
name: pinnace
image: {{ include "pinnace-sidecar.image" . | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
command: [pinnace]
args:
  {{- include "pinnace-sidecar.args" . | nindent 2 }}
env:
  - name: PINNACE_CPU_REQUEST_MILLI
    valueFrom:
      resourceFieldRef:
        containerName: pinnace
        resource: requests.cpu
        divisor: 1m
  {{- with $values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with include "pinnace-sidecar.ports" $values }}
ports:
  {{- . | trim | nindent 2 }}
{{- end }}
{{- include "pinnace-sidecar.probes" $values | nindent 0 }}
{{- include "pinnace-sidecar.preStop" (dict "root" . "seconds" $values.preStopSeconds) }}
resources:
  {{- toYaml $values.resources | nindent 2 }}
securityContext:
  {{- include "pinnace-sidecar.securityContext" $values | nindent 2 }}
  readOnlyRootFilesystem: true
{{- with include "pinnace-sidecar.volumeMounts" $values }}
volumeMounts:
  {{- . | trim | nindent 2 }}
{{- end }}
{{- end }}

{{/* A container's time before SIGTERM, where the kubelet can sleep; takes a dict: root, seconds. */}}
{{- define "pinnace-sidecar.preStop" -}}
{{- if and (gt (int .seconds) 0) (semverCompare ">=1.30.0-0" .root.Capabilities.KubeVersion.Version) }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ .seconds | int }}
{{- end }}
{{- end }}

{{- define "pinnace-sidecar.args" -}}
{{- $values := include "pinnace-sidecar.values" . | fromYaml -}}
- serve
{{- if eq (include "pinnace-sidecar.hasModels" $values) "true" }}
- --model-repository={{ $values.models.path }}
{{- end }}
{{- if $values.models.builtin }}
- --builtin-models
{{- end }}
{{- if $values.uds.enabled }}
- --grpc-uds={{ $values.uds.path }}
- --grpc-uds-mode={{ $values.uds.mode }}
{{- end }}
{{- if $values.tcp.enabled }}
- --grpc-address={{ $values.tcp.address }}
- --grpc-port={{ $values.tcp.port | int }}
{{- end }}
{{- if $values.metrics.enabled }}
- --metrics-address={{ $values.metrics.address }}
- --metrics-port={{ $values.metrics.port | int }}
{{- else }}
- --allow-metrics=false
{{- end }}
- --threads={{ $values.threads }}
- --pinning={{ include "pinnace-sidecar.pinning" . }}
- --exit-timeout-secs={{ $values.drainSeconds | int }}
{{- range $values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{- define "pinnace-sidecar.ports" -}}
{{- if .tcp.enabled }}
- name: grpc
  containerPort: {{ .tcp.port | int }}
  protocol: TCP
{{- end }}
{{- if .metrics.enabled }}
- name: metrics
  containerPort: {{ .metrics.port | int }}
  protocol: TCP
{{- end }}
{{- end }}

{{/*
Start-up and readiness ask whether the models are loaded, liveness only for the process: a
server that drains is alive, and not ready.
*/}}
{{- define "pinnace-sidecar.probes" -}}
startupProbe:
  {{- include "pinnace-sidecar.question" (dict "values" . "service" "readiness") | nindent 2 }}
  {{- toYaml .probes.startup | nindent 2 }}
{{- if .probes.readiness.enabled }}
readinessProbe:
  {{- include "pinnace-sidecar.question" (dict "values" . "service" "readiness") | nindent 2 }}
  {{- toYaml (omit .probes.readiness "enabled") | nindent 2 }}
{{- end }}
{{- if .probes.liveness.enabled }}
livenessProbe:
  {{- include "pinnace-sidecar.question" (dict "values" . "service" "liveness") | nindent 2 }}
  {{- toYaml (omit .probes.liveness "enabled") | nindent 2 }}
{{- end }}
{{- end }}

{{- define "pinnace-sidecar.question" -}}
{{- if eq .values.probes.type "http" -}}
httpGet:
  path: /v2/health/{{ eq .service "liveness" | ternary "live" "ready" }}
  port: metrics
{{- else if eq .values.probes.type "grpc" -}}
grpc:
  port: {{ .values.tcp.port | int }}
  service: {{ .service }}
{{- else -}}
exec:
  command:
    - pinnace
    - health
    - {{ .values.uds.enabled | ternary (print "unix:" .values.uds.path) (print "localhost:" (int .values.tcp.port)) }}
    - --service={{ .service }}
{{- end -}}
{{- end }}

{{/* What the Pod Security profile "restricted" asks of a container, and who it runs as. */}}
{{- define "pinnace-sidecar.securityContext" -}}
runAsNonRoot: true
{{- with .runAsUser }}
runAsUser: {{ . | int64 }}
{{- end }}
{{- with .runAsGroup }}
runAsGroup: {{ . | int64 }}
{{- end }}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}
