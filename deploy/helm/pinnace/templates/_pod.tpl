{{/*
SPDX-License-Identifier: Apache-2.0

The pod: the pieces of pinnace-sidecar, with the application or alone. No service links: they
would put variables like PINNACE_PORT=tcp://… into every container.
*/}}

{{- define "pinnace.pod" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
serviceAccountName: {{ .Values.serviceAccountName }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .Values.pinnace.terminationGracePeriodSeconds | int }}
securityContext:
  {{- include "pinnace-sidecar.podSecurityContext" . | nindent 2 }}
{{- if eq .Values.mode "sidecar" }}
{{- include "pinnace.withApp" . | trim | nindent 0 }}
{{- else }}
{{- with include "pinnace-sidecar.modelContainer" . }}
initContainers:
  {{- . | trim | nindent 2 }}
{{- end }}
containers:
  - {{ include "pinnace-sidecar.container" . | nindent 4 | trim }}
{{- end }}
{{- with include "pinnace.volumes" . }}
volumes:
  {{- . | trim | nindent 2 }}
{{- end }}
{{- include "pinnace.scheduling" . }}
{{- end }}

{{- define "pinnace.withApp" -}}
{{- with include "pinnace-sidecar.initContainers" . }}
initContainers:
  {{- . | trim | nindent 2 }}
{{- end }}
containers:
  - name: app
    {{- include "pinnace.app" . | nindent 4 }}
  {{- with include "pinnace-sidecar.containers" . }}
  {{- . | trim | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "pinnace.app" -}}
{{- $image := .Values.app.image -}}
{{- $version := print ":" $image.tag -}}
{{- with $image.digest }}{{ $version = print "@" . }}{{ end -}}
image: {{ print $image.repository $version | quote }}
imagePullPolicy: {{ $image.pullPolicy }}
{{- with .Values.app.command }}
command:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.app.args }}
args:
  {{- toYaml . | nindent 2 }}
{{- end }}
env:
  {{- include "pinnace-sidecar.appEnv" . | nindent 2 }}
  {{- with .Values.app.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - name: http
    containerPort: {{ .Values.app.port | int }}
    protocol: TCP
{{- with .Values.app.readinessPath }}
readinessProbe:
  httpGet:
    path: {{ . }}
    port: http
  periodSeconds: 5
  timeoutSeconds: 3
{{- end }}
{{- include "pinnace-sidecar.preStop" (dict "root" . "seconds" .Values.app.preStopSeconds) }}
resources:
  {{- toYaml .Values.app.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  {{- with .Values.app.runAsUser }}
  runAsUser: {{ . | int64 }}
  {{- end }}
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  - name: app-tmp
    mountPath: /tmp
  {{- with include "pinnace-sidecar.appVolumeMounts" . }}
  {{- . | trim | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "pinnace.volumes" -}}
{{- if eq .Values.mode "sidecar" }}
- name: app-tmp
  emptyDir:
    sizeLimit: 256Mi
{{- end }}
{{- include "pinnace-sidecar.volumes" . }}
{{- end }}

{{- define "pinnace.scheduling" -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" -}}
{{- with index $.Values $key }}
{{ dict $key . | toYaml }}
{{- end }}
{{- end }}
{{- end }}
