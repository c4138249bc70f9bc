// Generated from openapi.yaml by scripts/generate.mjs; `npm run generate` makes it anew.
export interface paths {
    "/_ping": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says that the daemon answers, and in its headers what it speaks. */
        get: operations["ping"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        /** The same headers without a body. */
        head: operations["pingHead"];
        patch?: never;
        trace?: never;
    };
    "/version": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Versions of the daemon and of the programs it drives. */
        get: operations["version"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/info": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Counts, settings and the state of the host. */
        get: operations["info"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/plugins": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Managed plugins. There are none here; plugins for volumes are found by their sockets, and `info` lists them. */
        get: operations["pluginList"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Tries credentials against a registry. Nothing is stored. */
        post: operations["auth"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What happens, one JSON object a line, from `since` (if given) until `until` or until the client leaves. */
        get: operations["events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/system/df": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What images, containers and volumes occupy on disk. */
        get: operations["systemDf"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/build": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Builds an image from a Dockerfile and a context. */
        post: operations["build"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/build/prune": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Forgets records of build steps, and what only they hold. */
        post: operations["buildPrune"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Images on this machine. */
        get: operations["imageList"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/create": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Pulls an image (`fromImage`), or makes one of a root file system (`fromSrc`). */
        post: operations["imageCreate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/load": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes images from an archive that `docker save` or an OCI tool wrote. What is wrong with the archive is told in the last line. */
        post: operations["imageLoad"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/get": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** An archive of several images. */
        get: operations["imageGetAll"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Looks for images by a word: through a registry's search, or in its catalog where it has none. */
        get: operations["imageSearch"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/distribution/{name}/json": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        /** What a registry has under a name. Nothing is pulled. */
        get: operations["distributionInspect"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/prune": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Removes images without a tag, or with `dangling=false` every image that no container uses. */
        post: operations["imagePrune"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Takes a tag away, and the image with its last one. */
        delete: operations["imageDelete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/{name}/json": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        /** Everything known about one image. */
        get: operations["imageInspect"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/{name}/history": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        /** The steps that made an image, newest first. */
        get: operations["imageHistory"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/{name}/get": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        /** An archive of one image: Docker's manifest.json with an OCI layout beside it. */
        get: operations["imageGet"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/{name}/push": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sends an image to the registry its name says. */
        post: operations["imagePush"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/{name}/tag": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives an image one more name. */
        post: operations["imageTag"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/commit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes an image of what a container changed. A body, if any, is the new image's configuration. */
        post: operations["imageCommit"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Containers, newest first. */
        get: operations["containerList"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/create": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a container; it does not start. */
        post: operations["containerCreate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/prune": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Removes every container that does not run. */
        post: operations["containerPrune"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Removes a container with its writable layer and its log. */
        delete: operations["containerDelete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/json": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        /** Everything known about one container. */
        get: operations["containerInspect"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/start": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Starts the process. */
        post: operations["containerStart"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sends the stop signal and kills what has not ended after `t` seconds. */
        post: operations["containerStop"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/restart": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops it if it runs and starts it. */
        post: operations["containerRestart"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/kill": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sends a signal to the process. */
        post: operations["containerKill"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Freezes every process of the container. */
        post: operations["containerPause"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/unpause": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets a frozen container go on. */
        post: operations["containerUnpause"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/rename": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives the container another name. */
        post: operations["containerRename"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/resize": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sets the size of its terminal. */
        post: operations["containerResize"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/wait": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Answers when the container has ended. The headers come at once, when nothing can be missed any more. */
        post: operations["containerWait"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/attach": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Connects the client to the streams of the process. With `Upgrade: tcp` the connection becomes the stream. */
        post: operations["containerAttach"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/attach/ws": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        /** The same over a WebSocket; output without frames. */
        get: operations["containerAttachWebsocket"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/logs": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        /** What the container wrote: raw with a terminal, else in frames as `attach` gives them. */
        get: operations["containerLogs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/top": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        /** Its processes as `ps` shows them. */
        get: operations["containerTop"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/changes": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        /** Paths it changed against its image. */
        get: operations["containerChanges"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/export": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        /** Its whole tree as one tar archive. */
        get: operations["containerExport"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/stats": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        /** What it uses of the machine: a sample a second, one JSON object a line, until it is removed or the client leaves. */
        get: operations["containerStats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/update": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Changes limits and restart policy; what is zero or absent stays. */
        post: operations["containerUpdate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/archive": {
        parameters: {
            query?: {
                /** @description A path in the container. One that ends in `/` or `/.` is followed to its end. */
                path?: string;
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        /** A file, or a directory with all below it, as a tar whose names begin with the path's last part. */
        get: operations["archiveGet"];
        /** Unpacks a tar (plain, gzip, bzip2, xz or zstd) into a directory. */
        put: operations["archivePut"];
        post?: never;
        delete?: never;
        options?: never;
        /** What is at a path: `X-Docker-Container-Path-Stat` is base64 of JSON with name, size, mode (of Go's os.FileMode), mtime and linkTarget. */
        head: operations["archiveHead"];
        patch?: never;
        trace?: never;
    };
    "/containers/{id}/exec": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Prepares a further process in a running container. */
        post: operations["execCreate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/exec/{id}/start": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The exec's ID. */
                id: components["parameters"]["exec"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Runs it. Unless detached, the client gets its streams as with `attach`. */
        post: operations["execStart"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/exec/{id}/resize": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The exec's ID. */
                id: components["parameters"]["exec"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sets the size of its terminal. */
        post: operations["execResize"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/exec/{id}/json": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The exec's ID. */
                id: components["parameters"]["exec"];
            };
            cookie?: never;
        };
        /** How it stands: running, or its exit code. */
        get: operations["execInspect"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/volumes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Volumes on this machine. */
        get: operations["volumeList"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/volumes/create": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a volume. One of that name and driver that is there already is the answer, with the `size` that is asked for. */
        post: operations["volumeCreate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/volumes/prune": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Removes anonymous volumes that no container uses; with the filter `all=true` named ones too. */
        post: operations["volumePrune"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/volumes/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The volume. */
                name: string;
            };
            cookie?: never;
        };
        /** One volume. */
        get: operations["volumeInspect"];
        /** Gives a volume another size (ours; Docker's is for cluster volumes, which there are none of here). */
        put: operations["volumeUpdate"];
        post?: never;
        /** Removes a volume and what is in it. */
        delete: operations["volumeDelete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/networks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Networks on this machine. Containers are listed by `inspect` only. */
        get: operations["networkList"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/networks/create": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a network. */
        post: operations["networkCreate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/networks/prune": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Removes networks that no container is on. */
        post: operations["networkPrune"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/networks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name or ID of the network. */
                id: string;
            };
            cookie?: never;
        };
        /** One network with the containers on it. */
        get: operations["networkInspect"];
        put?: never;
        post?: never;
        /** Removes a network that no container is on. */
        delete: operations["networkDelete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/networks/{id}/connect": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name or ID of the network. */
                id: string;
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Puts a container on a network. */
        post: operations["networkConnect"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/networks/{id}/disconnect": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name or ID of the network. */
                id: string;
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes a container off a network. */
        post: operations["networkDisconnect"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/layers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Every committed layer.
         * @description Filters: `image` (name or ID), `driver`, `dangling` (no image with a tag holds it), `unused` (no container stands on it).
         */
        get: operations["layerList"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/layers/{chainId}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `sha256:…` or an unambiguous beginning of it. */
                chainId: string;
            };
            cookie?: never;
        };
        /** One layer. */
        get: operations["layerInspect"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/gc/policies": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The policies in force, as they were written. */
        get: operations["gcPolicies"];
        /**
         * Sets policies; they take the place of the configuration file's, over restarts too, until they are deleted.
         * @description The body is the `gc` of daemon.json (GcPolicies without `source`). It is read strictly: an unknown key or a value that makes no sense is a 400 that names it, and nothing changes.
         */
        put: operations["gcPoliciesSet"];
        post?: never;
        /** Forgets policies that were set here; those of the configuration file are in force again. */
        delete: operations["gcPoliciesReset"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/gc/plans": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Says what a run of the policies would take away now. Changes nothing. */
        post: operations["gcPlanCreate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/gc/plans/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The plan's ID, or an unambiguous beginning of it. */
                id: string;
            };
            cookie?: never;
        };
        /** A plan; the last fifty are kept. */
        get: operations["gcPlanInspect"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/gc/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Runs, newest first, without their items; the last two hundred are kept. Prunes are among them. */
        get: operations["gcRunList"];
        put?: never;
        /** Does what a plan says, nothing else. What has come into use, got a name or a pin since then stays. Answers when it is done. */
        post: operations["gcRunCreate"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/gc/runs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run's ID, or an unambiguous beginning of it. */
                id: string;
            };
            cookie?: never;
        };
        /** A run with its items. */
        get: operations["gcRunInspect"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/gc/runs/{id}/undo": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run's ID, or an unambiguous beginning of it. */
                id: string;
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Brings back the images that a run took away, with the same IDs and with the names that nobody has taken since. They count as used. */
        post: operations["gcRunUndo"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/gc/pins": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Names of images that are pinned. */
        get: operations["gcPins"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/{name}/pin": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Pins a name. No policy and no prune takes its image; removing the name itself takes the pin with it. */
        post: operations["imagePin"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/images/{name}/unpin": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes a pin away. */
        post: operations["imageUnpin"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/graph/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What the data root occupies on disk, each byte once.
         * @description Answered from the ledger. What never changes was measured when it was made; what changes is measured in the background, and its figure says how old it is.
         */
        get: operations["graphUsage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/graph/why/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name or ID of an image, container, volume or network; chain or diff ID of a layer; digest of a blob; ID of a snapshot, build record, download or lease; a beginning of these. Slashes may stand as they are. */
                id: string;
            };
            cookie?: never;
        };
        /** Why something is there, or when it goes. */
        get: operations["graphWhy"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/graph/check": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The last checks, scheduled ones among them, the latest first. */
        get: operations["graphCheckList"];
        put?: never;
        /**
         * Looks at everything in the data root and at what the daemon has in the kernel, while all goes on: what belongs to nothing, what is gone, what is damaged.
         * @description One at a time: 409 while another runs. A client that leaves ends it. With `repair` what belongs to nothing is removed, and damaged layers are made anew of what is sound of them, or fetched, as manifests are, from registries that have them; nothing that could be recovered is deleted. A damaged layer counts as absent from then on: the next pull or load of an image that has it brings a sound one.
         */
        post: operations["graphCheck"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        ErrorResponse: {
            /** @description What went wrong. */
            message: string;
        };
        IdResponse: {
            /** @description The ID of what was made. */
            Id: string;
        };
        StringMap: {
            [key: string]: string;
        };
        StringList: string[];
        /** @description The keys are what counts. */
        EmptySet: {
            [key: string]: Record<string, never>;
        };
        SystemVersion: {
            Platform: {
                Name: string;
            };
            /** @description The daemon (named Engine) and the programs it drives. */
            Components: {
                Name: string;
                Version: string;
                Details?: components["schemas"]["StringMap"];
            }[];
            Version: string;
            /** @description Newest API version. */
            ApiVersion: string;
            /** @description Oldest API version. */
            MinAPIVersion: string;
            GitCommit?: string;
            /** @description What the daemon runs on. */
            GoVersion?: string;
            Os: string;
            Arch: string;
            KernelVersion: string;
            Experimental?: boolean;
            BuildTime?: string;
        };
        /** @description Limits of the host as booleans, counts, settings. Fields that do not apply here have Docker's empty value. */
        SystemInfo: {
            /** @description Stays with the data root. */
            ID: string;
            Containers: number;
            ContainersRunning: number;
            ContainersPaused: number;
            ContainersStopped: number;
            Images: number;
            /** @description The storage driver. */
            Driver: string;
            DriverStatus: components["schemas"]["StringList"][];
            Plugins?: {
                Volume?: components["schemas"]["StringList"];
                Network?: components["schemas"]["StringList"];
                Authorization?: string[] | null;
                Log?: components["schemas"]["StringList"];
            };
            MemoryLimit?: boolean;
            SwapLimit?: boolean;
            /** @description Until 1.41. */
            KernelMemory?: boolean;
            KernelMemoryTCP?: boolean;
            CpuCfsPeriod?: boolean;
            CpuCfsQuota?: boolean;
            CPUShares?: boolean;
            CPUSet?: boolean;
            PidsLimit?: boolean;
            OomKillDisable?: boolean;
            IPv4Forwarding?: boolean;
            /** @description Until 1.49. */
            BridgeNfIptables?: boolean;
            /** @description Until 1.49. */
            BridgeNfIp6tables?: boolean;
            Debug?: boolean;
            /** @description Open files of the daemon. */
            NFd?: number;
            NGoroutines?: number;
            SystemTime?: string;
            LoggingDriver?: string;
            CgroupDriver?: string;
            /** @enum {string} */
            CgroupVersion?: "1" | "2";
            NEventsListener?: number;
            KernelVersion?: string;
            OperatingSystem?: string;
            OSVersion?: string;
            OSType?: string;
            Architecture?: string;
            IndexServerAddress?: string;
            RegistryConfig?: {
                /** @description Until 1.46. */
                AllowNondistributableArtifactsCIDRs?: string[] | null;
                /** @description Until 1.46. */
                AllowNondistributableArtifactsHostnames?: string[] | null;
                InsecureRegistryCIDRs?: components["schemas"]["StringList"];
                IndexConfigs?: {
                    [key: string]: {
                        Name?: string;
                        Mirrors?: components["schemas"]["StringList"];
                        Secure?: boolean;
                        Official?: boolean;
                    };
                };
                Mirrors?: components["schemas"]["StringList"];
            } | null;
            NCPU: number;
            /**
             * Format: int64
             * @description Bytes.
             */
            MemTotal: number;
            GenericResources?: Record<string, never>[] | null;
            /** @description The data root. */
            DockerRootDir: string;
            HttpProxy?: string;
            HttpsProxy?: string;
            NoProxy?: string;
            /** @description Host name. */
            Name: string;
            Labels?: components["schemas"]["StringList"];
            ExperimentalBuild?: boolean;
            ServerVersion: string;
            Runtimes?: {
                [key: string]: {
                    path?: string;
                    runtimeArgs?: components["schemas"]["StringList"];
                };
            };
            DefaultRuntime?: string;
            /** @description Always inactive. */
            Swarm?: {
                NodeID?: string;
                NodeAddr?: string;
                LocalNodeState?: string;
                ControlAvailable?: boolean;
                Error?: string;
                RemoteManagers?: Record<string, never>[] | null;
            };
            LiveRestoreEnabled?: boolean;
            Isolation?: string;
            InitBinary?: string;
            ContainerdCommit?: components["schemas"]["Commit"];
            RuncCommit?: components["schemas"]["Commit"];
            InitCommit?: components["schemas"]["Commit"];
            SecurityOptions?: components["schemas"]["StringList"];
            ProductLicense?: string;
            DefaultAddressPools?: {
                Base?: string;
                Size?: number;
            }[];
            /** @description Since 1.49: what makes the rules of networks, `nftables`, `iptables` or `none`. */
            FirewallBackend?: {
                Driver?: string;
                Info?: components["schemas"]["StringList"][];
            };
            CDISpecDirs?: components["schemas"]["StringList"];
            Warnings?: string[] | null;
        };
        Commit: {
            ID?: string;
            /** @description Until 1.48. */
            Expected?: string;
        };
        SearchResult: {
            name: string;
            description: string;
            star_count: number;
            is_official: boolean;
            /** @description Always false. */
            is_automated: boolean;
        };
        DistributionInspect: {
            Descriptor: {
                mediaType: string;
                digest: string;
                size: number;
            };
            Platforms: {
                architecture: string;
                os: string;
                "os.version"?: string;
                "os.features"?: string[];
                variant?: string;
            }[];
        };
        /** @description Credentials of one registry. */
        AuthConfig: {
            username?: string;
            password?: string;
            /** @description Ignored. */
            email?: string;
            /** @description `user:password` in base64, instead of the two. */
            auth?: string;
            serveraddress?: string;
            /** @description Given by an earlier login instead of a password. */
            identitytoken?: string;
            /** @description A bearer token, sent as it is. */
            registrytoken?: string;
        };
        AuthResponse: {
            Status: string;
            IdentityToken?: string;
        };
        EventMessage: {
            /** @description Action, for containers and images. */
            status?: string;
            /** @description Actor.ID, for containers and images. */
            id?: string;
            /** @description The image, for containers. */
            from?: string;
            /** @enum {string} */
            Type: "builder" | "container" | "daemon" | "disk" | "gc" | "image" | "network" | "volume";
            Action: string;
            Actor: {
                ID: string;
                Attributes: components["schemas"]["StringMap"];
            };
            /** @enum {string} */
            scope: "local";
            /**
             * Format: int64
             * @description Unix seconds.
             */
            time: number;
            /**
             * Format: int64
             * @description Unix nanoseconds.
             */
            timeNano: number;
        };
        DiskUsage: {
            /**
             * Format: int64
             * @description Bytes of all layers, each once.
             */
            LayersSize?: number;
            Images?: components["schemas"]["ImageSummary"][] | null;
            Containers?: components["schemas"]["ContainerSummary"][] | null;
            Volumes?: components["schemas"]["Volume"][] | null;
            BuildCache?: components["schemas"]["BuildCache"][] | null;
            /**
             * Format: int64
             * @description Until 1.41.
             */
            BuilderSize?: number;
        };
        /** @description The record of a build step, or a cache mount of RUN. */
        BuildCache: {
            ID?: string;
            /** @description The image that the step stood on. */
            Parent?: string;
            Parents?: string[];
            /** @description `regular`, or `exec.cachemount`. */
            Type?: string;
            Description?: string;
            /** @description An image has the layer, or a command the mount. */
            InUse?: boolean;
            Shared?: boolean;
            /**
             * Format: int64
             * @description Bytes of the layer that the step made.
             */
            Size?: number;
            CreatedAt?: string;
            LastUsedAt?: string;
            UsageCount?: number;
        };
        BuildPruneReport: {
            CachesDeleted: string[] | null;
            /** Format: int64 */
            SpaceReclaimed: number;
        };
        /** @description One line of a progress stream. */
        ProgressLine: {
            /** @description Free text. */
            stream?: string;
            status?: string;
            /** @description What the line is about; a later line with the same id replaces it. */
            id?: string;
            /** @description Drawn for a terminal. */
            progress?: string;
            progressDetail?: {
                /** Format: int64 */
                current?: number;
                /** Format: int64 */
                total?: number;
            };
            error?: string;
            errorDetail?: {
                code?: number;
                message?: string;
            };
            /** @description For programs: what was pushed, an ID. */
            aux?: Record<string, never>;
        };
        /** @description Durations in nanoseconds; 0 inherits. */
        HealthConfig: {
            Test?: string[];
            /** Format: int64 */
            Interval?: number;
            /** Format: int64 */
            Timeout?: number;
            Retries?: number;
            /** Format: int64 */
            StartPeriod?: number;
            /** Format: int64 */
            StartInterval?: number;
        };
        /** @description What runs: an image's defaults, and what the user changed of them. */
        ContainerConfig: {
            Hostname?: string;
            Domainname?: string;
            User?: string;
            AttachStdin?: boolean;
            AttachStdout?: boolean;
            AttachStderr?: boolean;
            ExposedPorts?: components["schemas"]["EmptySet"];
            Tty?: boolean;
            /** @description Keep standard input open. */
            OpenStdin?: boolean;
            /** @description Close standard input when the first attached client leaves. */
            StdinOnce?: boolean;
            Env?: components["schemas"]["StringList"];
            Cmd?: components["schemas"]["Command"];
            Healthcheck?: components["schemas"]["HealthConfig"];
            ArgsEscaped?: boolean;
            Image?: string;
            Volumes?: components["schemas"]["EmptySet"];
            WorkingDir?: string;
            Entrypoint?: components["schemas"]["Command"];
            NetworkDisabled?: boolean;
            /** @description Until 1.43; EndpointSettings has it since. */
            MacAddress?: string;
            OnBuild?: components["schemas"]["StringList"];
            Labels?: components["schemas"]["StringMap"];
            StopSignal?: string;
            /** @description Seconds. */
            StopTimeout?: number;
            Shell?: components["schemas"]["StringList"];
        };
        /** @description A list of arguments; one string stands for a list of one. */
        Command: string[] | string;
        PortBinding: {
            HostIp?: string;
            HostPort?: string;
        };
        /** @description `80/tcp` to where it is published. */
        PortMap: {
            [key: string]: components["schemas"]["PortBinding"][] | null;
        };
        /** @description One mount as asked for. */
        Mount: {
            Target?: string;
            Source?: string;
            /** @enum {string} */
            Type?: "bind" | "cluster" | "image" | "npipe" | "tmpfs" | "volume";
            ReadOnly?: boolean;
            Consistency?: string;
            BindOptions?: {
                /** @enum {string} */
                Propagation?: "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" | "";
                NonRecursive?: boolean;
                CreateMountpoint?: boolean;
                ReadOnlyNonRecursive?: boolean;
                ReadOnlyForceRecursive?: boolean;
            };
            VolumeOptions?: {
                NoCopy?: boolean;
                Labels?: components["schemas"]["StringMap"];
                DriverConfig?: {
                    Name?: string;
                    Options?: components["schemas"]["StringMap"];
                };
                Subpath?: string;
            };
            ImageOptions?: {
                Subpath?: string;
            };
            TmpfsOptions?: {
                /** Format: int64 */
                SizeBytes?: number;
                Mode?: number;
                Options?: components["schemas"]["StringList"][];
            };
        };
        Ulimit: {
            Name?: string;
            /** Format: int64 */
            Soft?: number;
            /** Format: int64 */
            Hard?: number;
        };
        RestartPolicy: {
            /** @enum {string} */
            Name?: "" | "no" | "always" | "unless-stopped" | "on-failure";
            MaximumRetryCount?: number;
        };
        ThrottleDevices: {
            Path?: string;
            /** Format: int64 */
            Rate?: number;
        }[];
        /** @description What a container gets of the host: limits, mounts, network, rights. */
        HostConfig: {
            CpuShares?: number;
            /** Format: int64 */
            Memory?: number;
            CgroupParent?: string;
            BlkioWeight?: number;
            BlkioWeightDevice?: {
                Path?: string;
                Weight?: number;
            }[];
            BlkioDeviceReadBps?: components["schemas"]["ThrottleDevices"];
            BlkioDeviceWriteBps?: components["schemas"]["ThrottleDevices"];
            BlkioDeviceReadIOps?: components["schemas"]["ThrottleDevices"];
            BlkioDeviceWriteIOps?: components["schemas"]["ThrottleDevices"];
            /** Format: int64 */
            CpuPeriod?: number;
            /** Format: int64 */
            CpuQuota?: number;
            /** Format: int64 */
            CpuRealtimePeriod?: number;
            /** Format: int64 */
            CpuRealtimeRuntime?: number;
            CpusetCpus?: string;
            CpusetMems?: string;
            Devices?: {
                PathOnHost?: string;
                PathInContainer?: string;
                CgroupPermissions?: string;
            }[];
            DeviceCgroupRules?: components["schemas"]["StringList"];
            DeviceRequests?: {
                Driver?: string;
                Count?: number;
                DeviceIDs?: components["schemas"]["StringList"];
                Capabilities?: components["schemas"]["StringList"][];
                Options?: components["schemas"]["StringMap"];
            }[];
            /**
             * Format: int64
             * @description Ignored.
             */
            KernelMemory?: number;
            /**
             * Format: int64
             * @description Ignored.
             */
            KernelMemoryTCP?: number;
            /** Format: int64 */
            MemoryReservation?: number;
            /**
             * Format: int64
             * @description Memory with swap; -1 is no limit.
             */
            MemorySwap?: number;
            MemorySwappiness?: number | null;
            /** Format: int64 */
            NanoCpus?: number;
            OomKillDisable?: boolean | null;
            Init?: boolean | null;
            /** Format: int64 */
            PidsLimit?: number | null;
            Ulimits?: components["schemas"]["Ulimit"][];
            CpuCount?: number;
            CpuPercent?: number;
            IOMaximumIOps?: number;
            IOMaximumBandwidth?: number;
            /** @description `source:target[:options]`. */
            Binds?: string[];
            ContainerIDFile?: string;
            LogConfig?: {
                Type?: string;
                Config?: components["schemas"]["StringMap"];
            };
            /** @description `default`, `bridge`, `host`, `none`, `container:<name>`, or a network. */
            NetworkMode?: string;
            PortBindings?: components["schemas"]["PortMap"];
            RestartPolicy?: components["schemas"]["RestartPolicy"];
            AutoRemove?: boolean;
            VolumeDriver?: string;
            VolumesFrom?: components["schemas"]["StringList"];
            Mounts?: components["schemas"]["Mount"][];
            /** @description Rows and columns. */
            ConsoleSize?: number[] | null;
            Annotations?: components["schemas"]["StringMap"];
            CapAdd?: components["schemas"]["StringList"];
            CapDrop?: components["schemas"]["StringList"];
            /** @enum {string} */
            CgroupnsMode?: "" | "private" | "host";
            Dns?: components["schemas"]["StringList"];
            DnsOptions?: components["schemas"]["StringList"];
            DnsSearch?: components["schemas"]["StringList"];
            ExtraHosts?: components["schemas"]["StringList"];
            GroupAdd?: components["schemas"]["StringList"];
            IpcMode?: string;
            Cgroup?: string;
            Links?: components["schemas"]["StringList"];
            OomScoreAdj?: number;
            PidMode?: string;
            Privileged?: boolean;
            PublishAllPorts?: boolean;
            ReadonlyRootfs?: boolean;
            SecurityOpt?: components["schemas"]["StringList"];
            StorageOpt?: components["schemas"]["StringMap"];
            Tmpfs?: components["schemas"]["StringMap"];
            UTSMode?: string;
            UsernsMode?: string;
            /** Format: int64 */
            ShmSize?: number;
            Sysctls?: components["schemas"]["StringMap"];
            Runtime?: string | null;
            Isolation?: string;
            MaskedPaths?: string[] | null;
            ReadonlyPaths?: string[] | null;
        };
        /** @description A container's place on one network. The address fields are answers; they are ignored in requests. */
        EndpointSettings: {
            IPAMConfig?: {
                IPv4Address?: string;
                IPv6Address?: string;
                LinkLocalIPs?: components["schemas"]["StringList"];
            } | null;
            Links?: string[] | null;
            Aliases?: string[] | null;
            MacAddress?: string;
            DriverOpts?: {
                [key: string]: string;
            } | null;
            /** @description The endpoint with the highest gives the default route. */
            GwPriority?: number;
            NetworkID?: string;
            EndpointID?: string;
            Gateway?: string;
            IPAddress?: string;
            IPPrefixLen?: number;
            IPv6Gateway?: string;
            GlobalIPv6Address?: string;
            GlobalIPv6PrefixLen?: number;
            DNSNames?: string[] | null;
        };
        NetworkingConfig: {
            EndpointsConfig?: {
                [key: string]: components["schemas"]["NullableEndpointSettings"];
            };
        };
        NullableEndpointSettings: components["schemas"]["EndpointSettings"] | null;
        ContainerCreateRequest: components["schemas"]["ContainerConfig"] & {
            HostConfig?: components["schemas"]["HostConfig"];
            NetworkingConfig?: components["schemas"]["NetworkingConfig"];
        };
        ContainerCreateResponse: {
            Id: string;
            Warnings: string[];
        };
        ContainerState: {
            /** @enum {string} */
            Status: "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";
            Running: boolean;
            Paused: boolean;
            Restarting: boolean;
            OOMKilled: boolean;
            Dead: boolean;
            Pid: number;
            ExitCode: number;
            Error: string;
            StartedAt: string;
            FinishedAt: string;
            Health?: components["schemas"]["Health"];
        };
        /** @description What the health checks found; absent where nothing was ever checked. */
        Health: {
            /** @enum {string} */
            Status: "starting" | "healthy" | "unhealthy";
            /** @description Failures in a row. */
            FailingStreak: number;
            /** @description The last five results, oldest first. */
            Log: {
                Start: string;
                End: string;
                /** @description -1 when the check could not be run or took too long. */
                ExitCode: number;
                /** @description Its first 4096 bytes. */
                Output: string;
            }[];
        };
        /** @description A mount as it is. */
        MountPoint: {
            /** @enum {string} */
            Type: "bind" | "tmpfs" | "volume";
            /** @description The volume's. */
            Name?: string;
            Source: string;
            Destination: string;
            Driver?: string;
            Mode: string;
            RW: boolean;
            Propagation: string;
        };
        NetworkSettings: {
            Bridge?: string;
            SandboxID?: string;
            /** @description The network namespace. */
            SandboxKey?: string;
            HairpinMode?: boolean;
            LinkLocalIPv6Address?: string;
            LinkLocalIPv6PrefixLen?: number;
            SecondaryIPAddresses?: Record<string, never>[] | null;
            SecondaryIPv6Addresses?: Record<string, never>[] | null;
            /** @description Of the default network; as the next ones. */
            EndpointID?: string;
            Gateway?: string;
            GlobalIPv6Address?: string;
            GlobalIPv6PrefixLen?: number;
            IPAddress?: string;
            IPPrefixLen?: number;
            IPv6Gateway?: string;
            MacAddress?: string;
            Ports: components["schemas"]["PortMap"];
            Networks: {
                [key: string]: components["schemas"]["EndpointSettings"];
            };
        };
        /** @description Where the storage driver keeps it. */
        GraphDriver: {
            Name: string;
            Data?: {
                [key: string]: string;
            } | null;
        };
        ContainerInspect: {
            Id: string;
            Created: string;
            Path: string;
            Args: string[];
            State: components["schemas"]["ContainerState"];
            /** @description ID of the image. */
            Image: string;
            ResolvConfPath?: string;
            HostnamePath?: string;
            HostsPath?: string;
            LogPath?: string;
            /** @description With a slash before it. */
            Name: string;
            RestartCount: number;
            Driver: string;
            Platform: string;
            MountLabel?: string;
            ProcessLabel?: string;
            AppArmorProfile?: string;
            ExecIDs?: string[] | null;
            HostConfig: components["schemas"]["HostConfig"];
            GraphDriver: components["schemas"]["GraphDriver"];
            /** Format: int64 */
            SizeRw?: number;
            /** Format: int64 */
            SizeRootFs?: number;
            Mounts: components["schemas"]["MountPoint"][];
            Config: components["schemas"]["ContainerConfig"];
            NetworkSettings: components["schemas"]["NetworkSettings"];
        };
        Port: {
            IP?: string;
            PrivatePort: number;
            PublicPort?: number;
            /** @enum {string} */
            Type: "tcp" | "udp" | "sctp";
        };
        ContainerSummary: {
            Id: string;
            Names: string[];
            Image: string;
            ImageID: string;
            Command: string;
            /**
             * Format: int64
             * @description Unix seconds.
             */
            Created: number;
            Ports: components["schemas"]["Port"][];
            /** Format: int64 */
            SizeRw?: number;
            /** Format: int64 */
            SizeRootFs?: number;
            Labels: components["schemas"]["StringMap"];
            State: string;
            /** @description For people: `Up 3 seconds`. */
            Status: string;
            HostConfig: {
                NetworkMode?: string;
                Annotations?: components["schemas"]["StringMap"];
            };
            NetworkSettings: {
                Networks?: {
                    [key: string]: components["schemas"]["EndpointSettings"];
                };
            };
            Mounts: components["schemas"]["MountPoint"][];
        };
        ContainerWaitResponse: {
            /** Format: int64 */
            StatusCode: number;
            Error?: {
                Message?: string;
            } | null;
        };
        ContainerUpdateRequest: {
            BlkioWeight?: number;
            CpuShares?: number;
            /** Format: int64 */
            CpuPeriod?: number;
            /** Format: int64 */
            CpuQuota?: number;
            /** Format: int64 */
            CpuRealtimePeriod?: number;
            /** Format: int64 */
            CpuRealtimeRuntime?: number;
            CpusetCpus?: string;
            CpusetMems?: string;
            /** Format: int64 */
            Memory?: number;
            /** Format: int64 */
            MemoryReservation?: number;
            /**
             * Format: int64
             * @description Memory with swap; -1 is no limit.
             */
            MemorySwap?: number;
            /** Format: int64 */
            NanoCpus?: number;
            /**
             * Format: int64
             * @description 0 or -1 is no limit.
             */
            PidsLimit?: number | null;
            RestartPolicy?: components["schemas"]["RestartPolicy"];
        };
        ContainerUpdateResponse: {
            Warnings: string[];
        };
        CpuStats: {
            cpu_usage: {
                /**
                 * Format: int64
                 * @description Nanoseconds.
                 */
                total_usage: number;
                /** @description cgroup v1 only. */
                percpu_usage?: number[];
                /** Format: int64 */
                usage_in_kernelmode: number;
                /** Format: int64 */
                usage_in_usermode: number;
            };
            /**
             * Format: int64
             * @description All of the machine's processors, in nanoseconds.
             */
            system_cpu_usage?: number;
            online_cpus?: number;
            throttling_data: {
                /** Format: int64 */
                periods: number;
                /** Format: int64 */
                throttled_periods: number;
                /** Format: int64 */
                throttled_time: number;
            };
        };
        BlkioEntries: {
            major: number;
            minor: number;
            op: string;
            /** Format: int64 */
            value: number;
        }[] | null;
        NetworkStats: {
            /** Format: int64 */
            rx_bytes: number;
            /** Format: int64 */
            rx_packets: number;
            /** Format: int64 */
            rx_errors: number;
            /** Format: int64 */
            rx_dropped: number;
            /** Format: int64 */
            tx_bytes: number;
            /** Format: int64 */
            tx_packets: number;
            /** Format: int64 */
            tx_errors: number;
            /** Format: int64 */
            tx_dropped: number;
        };
        /** @description What a container uses; names and zeros when it does not run. */
        ContainerStats: {
            name: string;
            id: string;
            read: string;
            /** @description When precpu_stats were read. */
            preread: string;
            pids_stats: {
                current?: number;
                /** Format: int64 */
                limit?: number;
            };
            blkio_stats: {
                io_service_bytes_recursive?: components["schemas"]["BlkioEntries"];
                io_serviced_recursive?: components["schemas"]["BlkioEntries"];
                io_queue_recursive?: components["schemas"]["BlkioEntries"];
                io_service_time_recursive?: components["schemas"]["BlkioEntries"];
                io_wait_time_recursive?: components["schemas"]["BlkioEntries"];
                io_merged_recursive?: components["schemas"]["BlkioEntries"];
                io_time_recursive?: components["schemas"]["BlkioEntries"];
                sectors_recursive?: components["schemas"]["BlkioEntries"];
            };
            /** @description Always 0 here. */
            num_procs: number;
            /** @description Always empty here. */
            storage_stats: Record<string, never>;
            cpu_stats: components["schemas"]["CpuStats"];
            precpu_stats: components["schemas"]["CpuStats"];
            memory_stats: {
                /** Format: int64 */
                usage?: number;
                /**
                 * Format: int64
                 * @description cgroup v1 only.
                 */
                max_usage?: number;
                stats?: {
                    [key: string]: number;
                };
                /**
                 * Format: int64
                 * @description cgroup v1 only.
                 */
                failcnt?: number;
                /** Format: int64 */
                limit?: number;
            };
            networks?: {
                [key: string]: components["schemas"]["NetworkStats"];
            };
        };
        ContainerTopResponse: {
            Titles: string[];
            Processes: string[][];
        };
        FilesystemChange: {
            Path: string;
            /**
             * @description 0 modified, 1 added, 2 deleted.
             * @enum {integer}
             */
            Kind: 0 | 1 | 2;
        };
        ContainersPruneReport: {
            ContainersDeleted: string[] | null;
            /** Format: int64 */
            SpaceReclaimed: number;
        };
        ExecConfig: {
            AttachStdin?: boolean;
            AttachStdout?: boolean;
            AttachStderr?: boolean;
            DetachKeys?: string;
            Tty?: boolean;
            Detach?: boolean;
            Env?: components["schemas"]["StringList"];
            Cmd?: components["schemas"]["Command"];
            Privileged?: boolean;
            User?: string;
            WorkingDir?: string;
            ConsoleSize?: number[] | null;
        };
        ExecStartConfig: {
            Detach?: boolean;
            Tty?: boolean;
            ConsoleSize?: number[] | null;
        };
        ExecInspect: {
            ID: string;
            Running: boolean;
            ExitCode: number | null;
            ProcessConfig: {
                tty?: boolean;
                entrypoint?: string;
                arguments?: string[];
                privileged?: boolean;
                user?: string;
            };
            OpenStdin: boolean;
            OpenStderr: boolean;
            OpenStdout: boolean;
            CanRemove: boolean;
            ContainerID: string;
            DetachKeys: string;
            Pid: number;
        };
        ImageSummary: {
            Id: string;
            ParentId: string;
            RepoTags: string[];
            RepoDigests: string[];
            /**
             * Format: int64
             * @description Unix seconds.
             */
            Created: number;
            /** Format: int64 */
            Size: number;
            /**
             * Format: int64
             * @description -1 when it was not asked for.
             */
            SharedSize: number;
            /**
             * Format: int64
             * @description Size; until 1.43.
             */
            VirtualSize?: number;
            Labels: {
                [key: string]: string;
            } | null;
            /** @description -1 when it was not asked for. */
            Containers: number;
        };
        ImageInspect: {
            Id: string;
            RepoTags: string[];
            RepoDigests: string[];
            Parent?: string;
            Comment?: string;
            Created?: string;
            /** @description Until 1.44. */
            Container?: string;
            /** @description Until 1.44. */
            ContainerConfig?: components["schemas"]["ContainerConfig"];
            DockerVersion?: string;
            Author?: string;
            Config?: components["schemas"]["ContainerConfig"];
            Architecture: string;
            Variant?: string;
            Os: string;
            OsVersion?: string;
            /** Format: int64 */
            Size: number;
            /**
             * Format: int64
             * @description Size; until 1.43.
             */
            VirtualSize?: number;
            GraphDriver: components["schemas"]["GraphDriver"];
            RootFS: {
                Type: string;
                Layers?: string[];
            };
            Metadata: {
                LastTagTime?: string;
            };
        };
        HistoryEntry: {
            /** @description `<missing>` where no local image stands at that step. */
            Id: string;
            /**
             * Format: int64
             * @description Unix seconds.
             */
            Created: number;
            CreatedBy: string;
            Tags: string[] | null;
            /** Format: int64 */
            Size: number;
            Comment: string;
        };
        /** @description One of the two. */
        ImageDeleteItem: {
            Untagged?: string;
            Deleted?: string;
        };
        ImagesPruneReport: {
            ImagesDeleted: components["schemas"]["ImageDeleteItem"][] | null;
            /** Format: int64 */
            SpaceReclaimed: number;
        };
        Volume: {
            Name: string;
            Driver: string;
            Mountpoint: string;
            CreatedAt?: string;
            /** @description What the volume's plugin tells. */
            Status?: {
                [key: string]: unknown;
            };
            Labels: {
                [key: string]: string;
            } | null;
            /** @enum {string} */
            Scope: "local" | "global";
            Options: {
                [key: string]: string;
            } | null;
            UsageData?: {
                /** Format: int64 */
                Size: number;
                RefCount: number;
            };
        };
        VolumeCreateRequest: {
            Name?: string;
            Driver?: string;
            /** @description `size` (`20m`), or `type`, `device` and `o` as mount(8) takes them. */
            DriverOpts?: {
                [key: string]: string;
            };
            Labels?: components["schemas"]["StringMap"];
            /** @description Of a cluster volume: refused. */
            ClusterVolumeSpec?: Record<string, never>;
        };
        VolumeUpdateRequest: {
            /** @description `size`: most bytes that the volume may hold (`40m`). */
            Options?: {
                [key: string]: string;
            };
            /** @description Of a cluster volume: refused. */
            Spec?: Record<string, never>;
        };
        VolumeList: {
            Volumes: components["schemas"]["Volume"][];
            Warnings: string[] | null;
        };
        VolumesPruneReport: {
            VolumesDeleted: string[] | null;
            /** Format: int64 */
            SpaceReclaimed: number;
        };
        IPAM: {
            Driver?: string;
            Options?: {
                [key: string]: string;
            } | null;
            Config?: components["schemas"]["IPAMConfig"][] | null;
        };
        IPAMConfig: {
            Subnet?: string;
            IPRange?: string;
            Gateway?: string;
            AuxiliaryAddresses?: components["schemas"]["StringMap"];
        };
        Network: {
            Name: string;
            Id: string;
            Created: string;
            Scope: string;
            Driver: string;
            /** @description Since 1.48. */
            EnableIPv4?: boolean;
            EnableIPv6: boolean;
            IPAM: components["schemas"]["IPAM"];
            Internal: boolean;
            Attachable: boolean;
            Ingress: boolean;
            ConfigFrom?: {
                Network?: string;
            };
            ConfigOnly?: boolean;
            Containers: {
                [key: string]: {
                    Name?: string;
                    EndpointID?: string;
                    MacAddress?: string;
                    IPv4Address?: string;
                    IPv6Address?: string;
                };
            };
            Options: {
                [key: string]: string;
            };
            Labels: {
                [key: string]: string;
            };
        };
        NetworkCreateRequest: {
            Name: string;
            /** @description Ignored; names are unique. */
            CheckDuplicate?: boolean;
            Driver?: string;
            Scope?: string;
            Internal?: boolean;
            Attachable?: boolean;
            Ingress?: boolean;
            ConfigOnly?: boolean;
            ConfigFrom?: {
                Network?: string;
            };
            IPAM?: components["schemas"]["IPAM"];
            EnableIPv4?: boolean;
            EnableIPv6?: boolean;
            Options?: components["schemas"]["StringMap"];
            Labels?: components["schemas"]["StringMap"];
        };
        NetworkCreateResponse: {
            Id: string;
            Warning: string;
        };
        NetworkConnectRequest: {
            Container: string;
            EndpointConfig?: components["schemas"]["NullableEndpointSettings"];
        };
        NetworkDisconnectRequest: {
            Container: string;
            Force?: boolean;
        };
        NetworksPruneReport: {
            NetworksDeleted: string[] | null;
        };
        /** @description A committed layer on its chain. */
        Layer: {
            ChainId: string;
            /** @description Digest of its uncompressed tar. */
            DiffId: string;
            /** @description Chain ID of the layer below. */
            Parent: string | null;
            /** @description The storage driver that it is used from: the daemon's default, if it lies there. */
            Driver: string;
            /** @description The driver's name for it. */
            Snapshot: string;
            /**
             * Format: int64
             * @description Sum of its file sizes.
             */
            Size: number;
            /**
             * Format: int64
             * @description Length of its uncompressed tar.
             */
            TarSize: number;
            /**
             * Format: int64
             * @description What it takes on disk, with that driver.
             */
            DiskBytes: number;
            DiskInodes: number;
            /** @description Every place where it lies, the one that is used first. More than one after the same content came under another storage driver. */
            Copies: components["schemas"]["LayerCopy"][];
            /** @description When it came to this machine. */
            Created: string;
            /** @description Last create, start or end of a container, pull, load, import, tag or push of an image that holds it, or of one made from that. */
            LastUsed: string;
            /** @description IDs of the images that hold it. */
            Images: string[];
            /** @description IDs of the images whose topmost layer it is. */
            TopOf: string[];
            /** @description Names with tags of the images that hold it. */
            ImageNames: string[];
            /** @description Containers of those images, running or not. */
            Containers: number;
        };
        LayerCopy: {
            Driver: string;
            Snapshot: string;
            /** Format: int64 */
            DiskBytes: number;
            DiskInodes: number;
        };
        GraphUsage: {
            At: string;
            /**
             * Format: int64
             * @description All of the data root, in allocated bytes, each inode once: the sum of the kinds.
             */
            Bytes: number;
            /** Format: int64 */
            Inodes: number;
            Kinds: components["schemas"]["GraphKindUsage"][];
            Images: components["schemas"]["GraphImagesUsage"];
            BuildCache: components["schemas"]["GraphBuildCacheUsage"];
            Owners: components["schemas"]["GraphOwners"];
        };
        GraphKindUsage: {
            /**
             * @description `containers` are writable layers; `container-files` what lies in containers' own directories but their logs; `ingests` downloads under way; `drivers` what storage drivers need besides layers; `directories` the data root's folders themselves.
             * @enum {string}
             */
            Kind: "layers" | "containers" | "container-files" | "logs" | "volumes" | "blobs" | "ingests" | "tmp" | "trash" | "ledger" | "drivers" | "directories";
            Count: number;
            /** Format: int64 */
            Bytes: number;
            /** Format: int64 */
            Inodes: number;
            /**
             * Format: int64
             * @description Of what nothing needs: layers that nothing holds, containers that do not run, volumes that no container has.
             */
            ReclaimableBytes: number;
            /** @description The oldest of its figures that may have changed since; null when none may. */
            MeasuredAt: string | null;
            /** @description How many are too new to have a figure, and count as nothing. */
            Unmeasured: number;
        };
        /** @description The part of the layers that images hold. */
        GraphImagesUsage: {
            Count: number;
            /** @description Images of containers. */
            Active: number;
            /** Format: int64 */
            Bytes: number;
            /**
             * Format: int64
             * @description Held by one image.
             */
            UniqueBytes: number;
            /**
             * Format: int64
             * @description Held by several, counted once.
             */
            SharedBytes: number;
            /**
             * Format: int64
             * @description Held by images without containers, and by nothing else.
             */
            ReclaimableBytes: number;
        };
        /** @description The part of the layers that build records hold and no image does. */
        GraphBuildCacheUsage: {
            /** @description Records. */
            Count: number;
            /** Format: int64 */
            Bytes: number;
        };
        /** @description The largest of each kind, by what is theirs alone. */
        GraphOwners: {
            Images: components["schemas"]["GraphImageUsage"][];
            Containers: components["schemas"]["GraphContainerUsage"][];
            Volumes: components["schemas"]["GraphVolumeUsage"][];
            BuildCache: components["schemas"]["GraphBuildRecordUsage"][];
        };
        GraphFigure: {
            /** Format: int64 */
            Bytes: number;
            /** Format: int64 */
            Inodes: number;
            /** @description Null before the first time, when the figure is 0. */
            MeasuredAt: string | null;
            /** @description It cannot have changed since. */
            Exact: boolean;
        };
        GraphImageUsage: {
            Id: string;
            Names: string[];
            /**
             * Format: int64
             * @description Of its layers on disk.
             */
            Bytes: number;
            /** Format: int64 */
            UniqueBytes: number;
            /** Format: int64 */
            SharedBytes: number;
            Containers: number;
            /** @description Last create, start or end of a container, FROM or COPY --from, pull, load, import, tag or push, of it or an image made from it. */
            LastUsed: string;
        };
        GraphContainerUsage: {
            Id: string;
            Name: string;
            Status: string;
            Layer: components["schemas"]["GraphFigure"];
            Files: components["schemas"]["GraphFigure"];
            Logs: components["schemas"]["GraphFigure"];
        };
        GraphVolumeUsage: {
            Name: string;
            Driver: string;
            /**
             * Format: int64
             * @description In the data root; 0 where a plugin keeps it.
             */
            Bytes: number;
            /** Format: int64 */
            Inodes: number;
            MeasuredAt: string | null;
            Exact: boolean;
            /** @description That have it, running or not. */
            Containers: number;
            /** @description When it was made; last create, start or end of a container that has it. */
            LastUsed: string;
        };
        GraphBuildRecordUsage: {
            Id: string;
            Description: string;
            /**
             * Format: int64
             * @description Of its layer on disk, where no image has that.
             */
            Bytes: number;
            LastUsed: string;
        };
        GraphNode: {
            /** @enum {string} */
            Kind: "image" | "container" | "volume" | "network" | "layer" | "snapshot" | "blob" | "ingest" | "tag" | "build-record" | "lease" | "trash";
            Key: string;
            /** @description Image: one of its names, or nothing; layer: diff ID; snapshot: its driver; blob: media type; build record: the instruction; lease: what it is for. */
            Name: string;
            /** @description Of a container. */
            Status?: string;
            /** @description Of a lease. */
            Purpose?: string;
            /** @description Of a lease. */
            ExpiresAt?: string;
        };
        GraphWhy: components["schemas"]["GraphNode"] & {
            Held: boolean;
            /** @description From what holds it down to itself, nearest first. An untagged image, a volume or a container that nothing uses holds itself until it is removed by name or pruned. */
            Paths: components["schemas"]["GraphNode"][][];
            /** @description There are further paths. */
            More: boolean;
            /** @description When nothing holds it: `next collection`, or `when nobody takes it up` (a download that broke off). */
            Goes: string | null;
            GoesAt: string | null;
        };
        /** @description The `gc` of daemon.json. Durations are such as `72h`, `30m`, `7d`; sizes such as `10GB` (powers of 1024) or a number of bytes. */
        GcPolicies: {
            /**
             * @description Where they were set. What was set here wins over the configuration file.
             * @enum {string}
             */
            source: "file" | "api";
            /** @description Cron expression (five fields, or six with seconds) for policies that have none of their own. Without one they run when they are told to. */
            schedule?: string;
            /** @description How long images that a run took can be brought back (default 1h; 0: not at all). Runs for want of room give no grace and empty the trash first. */
            trashGrace?: string;
            policies?: components["schemas"]["GcPolicy"][];
        };
        GcPolicy: {
            name: string;
            /** @enum {string} */
            kind: "images" | "containers" | "volumes" | "build-cache" | "networks" | "logs";
            schedule?: string;
            /** @description `label=KEY`, `label=KEY=VALUE`, for images also `reference=PATTERN`: what stays. */
            except?: string[];
            /** @description Images: a pattern for names (`*` and `?` stop at a slash), with or without tag. An image that has another name too stays. */
            match?: string;
            /** @description Images, volumes, build cache, networks: not used for so long. */
            unusedFor?: string;
            /** @description Images, networks: an age or a time (RFC 3339). */
            createdBefore?: string;
            /** @description Images: how many of each repository stay, those created last. */
            keepLast?: number;
            /** @description Images: only those that no tag names. */
            danglingOnly?: boolean;
            /** @description Containers: ended for so long. */
            exitedFor?: string;
            /** @description Volumes: only those without a name (default true). */
            anonymousOnly?: boolean;
            /** @description Build cache: what it alone may occupy, least recently used records go first, at the end of every build too. Logs: what old files of one stopped container may occupy. */
            maxBytes?: string | number;
            /** @description Logs: old files of stopped containers that were written so long ago. */
            olderThan?: string;
            /** @description Images, build cache: only while the file system of the data root is past one of `diskAbove`, `freeBelow`, `inodesAbove` (`85%`, `10GB`). Looked at before pulls, loads, imports and commits whose size is known, after these and builds, and every ten seconds. */
            when?: Record<string, never>;
            /** @description Then no more goes than brings it to `diskBelow`, `freeAbove`, `inodesBelow` (default: `when`). */
            until?: Record<string, never>;
            /** @enum {string} */
            order?: "least-recently-used";
            /** @description With `when`: what came or was used more recently stays (default 10m). */
            minAge?: string;
        };
        GcPlanRequest: {
            /** @description The policy's name; all of them without one. */
            Policy?: string;
        };
        GcRunRequest: {
            Plan: string;
        };
        /** @description A target that a policy cannot reach, and what holds the space. */
        GcShortfall: {
            Policy: string;
            Target: string;
            /**
             * Format: int64
             * @description Bytes.
             */
            Missing: number;
            Holders: {
                Name: string;
                /** Format: int64 */
                Bytes: number;
                Why: string;
            }[];
        };
        GcPlan: {
            Id: string;
            Created: string;
            /** @enum {string} */
            Trigger: "manual" | "schedule" | "watermark" | "no-space" | "ceiling" | "prune";
            Policies: string[];
            Items: components["schemas"]["GcItem"][];
            /**
             * Format: int64
             * @description What the disk would regain; bytes that several share count with the last of them.
             */
            Bytes: number;
            Shortfalls: components["schemas"]["GcShortfall"][];
        };
        GcItem: {
            /** @enum {string} */
            Kind: "image" | "container" | "volume" | "network" | "build-record" | "build-mount" | "log";
            /** @description ID or name. */
            Key: string;
            /** @description For people. */
            Name: string;
            /** Format: int64 */
            Bytes: number;
            Reason: string;
            Policy: string;
        };
        GcRun: {
            Id: string;
            /** @description Null for prunes. */
            Plan: string | null;
            /** @enum {string} */
            Trigger: "manual" | "schedule" | "watermark" | "no-space" | "ceiling" | "prune";
            /** @description Of a prune, its command. */
            Policies: string[];
            Started: string;
            Finished: string | null;
            /** @enum {string} */
            State: "running" | "done" | "failed" | "interrupted";
            Error: string;
            /**
             * Format: int64
             * @description Bytes that the disk regained.
             */
            Freed: number;
            /**
             * Format: int64
             * @description Bytes that it regains when the time of grace is over.
             */
            Trashed: number;
            /** @description Until when its images can be brought back. */
            UndoUntil: string | null;
            /**
             * Format: int64
             * @description Bytes free on the file system.
             */
            FreeBefore: number | null;
            /** Format: int64 */
            FreeAfter: number | null;
            Items: components["schemas"]["GcRunItem"][];
            Shortfalls: components["schemas"]["GcShortfall"][];
        };
        GcRunItem: components["schemas"]["GcItem"] & {
            /** @enum {string} */
            Outcome: "freed" | "trashed" | "kept" | "gone" | "restored";
            /** Format: int64 */
            Freed: number;
            /** @description Why it was kept. */
            Why: string;
        };
        GcRestored: {
            Id: string;
            Names: string[];
            /** @description Names that another image has by now. */
            Left: string[];
        };
        CheckRequest: {
            /** @description Read and hash every blob, put every layer's tar together again and hash it, and compare with it how the layer is shown: its index, or the owners, modes, times and attributes in its tree. */
            deep?: boolean;
            repair?: boolean;
            /**
             * Format: int64
             * @description Bytes per second that are read at most; 0 (the default) is as fast as it goes.
             */
            rate?: number;
        };
        CheckLine: {
            /** @description What is being looked at. */
            part?: string;
            /**
             * Format: int64
             * @description How far that is, in things or (deep) bytes.
             */
            current?: number;
            /** Format: int64 */
            total?: number;
            finding?: components["schemas"]["CheckFinding"];
            report?: components["schemas"]["CheckReport"];
        };
        CheckFinding: {
            /** @enum {string} */
            kind: "layer" | "snapshot" | "blob" | "ingest" | "container" | "volume" | "mount" | "namespace" | "interface" | "rule" | "bundle" | "runtime" | "monitor" | "file" | "ledger";
            /** @description Names it among its kind. */
            id: string;
            /**
             * @description `orphan`: there, and in no table; `missing`: in a table, and not there; `corrupt`: not what it should be; `inconsistent`: rows that contradict each other.
             * @enum {string}
             */
            problem: "orphan" | "missing" | "corrupt" | "inconsistent";
            detail: string;
            /** @description IDs of images that suffer from it. */
            images: string[];
            repaired: boolean;
        };
        CheckReport: {
            started: string;
            finished: string;
            deep: boolean;
            repair: boolean;
            /** @description By the `scrub` setting, not by a request. */
            scheduled: boolean;
            /** @description How many findings there were. */
            found: number;
            /** @description How many of them were repaired. */
            repaired: number;
            findings: components["schemas"]["CheckFinding"][];
            /** @description What could not be looked at, with the reasons. */
            unchecked: string[];
        };
    };
    responses: {
        /** @description It failed; the message says why. */
        Error: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["ErrorResponse"];
            };
        };
        /** @description Progress, one JSON object a line. A failure after the first line is a line with `errorDetail`. */
        Progress: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["ProgressLine"];
            };
        };
        /** @description A tar archive. */
        Tar: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/x-tar": string;
            };
        };
        /** @description The streams: raw with a terminal, else in frames of 8 bytes header (stream, 0, 0, 0, big-endian length) and data. */
        RawStream: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/vnd.docker.raw-stream": string;
                "application/vnd.docker.multiplexed-stream": string;
            };
        };
    };
    parameters: {
        /** @description JSON object of filter names to lists of values: `{"label":["a=b"]}`. The older form `{"label":{"a=b":true}}` is taken too. */
        filters: string;
        /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
        imageName: string;
        /** @description Name, ID, or an unambiguous beginning of the ID. */
        container: string;
        /** @description The exec's ID. */
        exec: string;
        /** @description Keys that leave the session, such as `ctrl-p,ctrl-q`. */
        detachKeys: string;
        /** @description Instead of the container's stop signal. */
        signal: string;
        /** @description Seconds to wait before killing; -1 is for ever. */
        stopTimeout: number;
        /** @description Rows. */
        height: number;
        /** @description Columns. */
        width: number;
        /** @description An OCI platform in JSON: `{"os":"linux","architecture":"amd64"}`. */
        platformJson: string;
        /** @description AuthConfig as base64url of JSON. */
        registryAuth: string;
    };
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    ping: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The daemon is there. */
            200: {
                headers: {
                    /** @description Newest version served. */
                    "Api-Version"?: string;
                    /** @description Default image builder: 1 is the classic one. */
                    "Builder-Version"?: string;
                    /** @description Always false. */
                    "Docker-Experimental"?: boolean;
                    /** @description Always inactive. */
                    Swarm?: string;
                    /** @description Never to be cached. */
                    "Cache-Control"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
        };
    };
    pingHead: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The daemon is there. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    version: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The versions. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SystemVersion"];
                };
            };
        };
    };
    info: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The facts. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SystemInfo"];
                };
            };
        };
    };
    pluginList: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description None. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>[];
                };
            };
        };
    };
    auth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["AuthConfig"];
            };
        };
        responses: {
            /** @description The registry took them. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuthResponse"];
                };
            };
            401: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    events: {
        parameters: {
            query?: {
                /** @description Start with events of this time: Unix seconds (fraction allowed), RFC 3339, or a duration back from now. */
                since?: string;
                /** @description End the stream at this time, same forms. */
                until?: string;
                /** @description JSON object of filter names to lists of values: `{"label":["a=b"]}`. The older form `{"label":{"a=b":true}}` is taken too. */
                filters?: components["parameters"]["filters"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream; its headers are sent before the first event. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventMessage"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    systemDf: {
        parameters: {
            query?: {
                /** @description Only these kinds: container, image, volume, build-cache. */
                type?: ("container" | "image" | "volume" | "build-cache")[];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The use. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DiskUsage"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    build: {
        parameters: {
            query?: {
                /** @description Path of the Dockerfile in the context. */
                dockerfile?: string;
                /** @description Names for the image, `name[:tag]`. */
                t?: string[];
                /** @description Lines for `/etc/hosts` of commands, `name:address`. */
                extrahosts?: string[];
                /** @description URL of a tar, of a Dockerfile, or of a git repository (`url#ref:directory`), in place of a body. */
                remote?: string;
                /** @description Tell only the image's ID. */
                q?: boolean;
                /** @description Do every step again. */
                nocache?: boolean;
                /** @description JSON list of images; only their steps are taken from the cache. Those that are not here give none. `type=registry,ref=name` pulls a cache, or an image, and takes what its history and layers say. */
                cachefrom?: string;
                /** @description JSON list of places where the cache is left: `type=registry,ref=name[,mode=min|max]` pushes it, `type=image,ref=name` leaves it here and names its images in a line with `aux.CacheImages`, `type=inline` is what an image's history says anyway. `mode=max` also has stages besides the target. */
                cacheto?: string;
                /** @description Look for newer base images. */
                pull?: string;
                /** @description Remove containers of steps that succeeded. */
                rm?: boolean;
                /** @description Remove containers of steps that failed */
                forcerm?: boolean;
                /** @description Bytes of memory for commands. */
                memory?: number;
                /** @description Bytes of memory and swap together, -1 for no limit. */
                memswap?: number;
                cpushares?: number;
                cpusetcpus?: string;
                cpusetmems?: string;
                /** @description Microseconds. */
                cpuperiod?: number;
                /** @description Microseconds in a period. */
                cpuquota?: number;
                /** @description JSON object of build arguments; null for a name without a value. */
                buildargs?: string;
                /** @description Bytes of `/dev/shm`. */
                shmsize?: number;
                /** @description Put the layers above the base together as one. */
                squash?: boolean;
                /** @description JSON object of labels for the image. */
                labels?: string;
                /** @description Network of commands. */
                networkmode?: string;
                cgroupparent?: string;
                /** @description JSON list of `{Name, Soft, Hard}`. */
                ulimits?: string;
                /** @description JSON list of security options. */
                securityopt?: string;
                /** @description `os[/arch[/variant]]`. */
                platform?: string;
                /** @description Name or number of the stage to build. */
                target?: string;
                /** @description `1`, the classic builder, is the one that is served. */
                version?: string;
            };
            header?: {
                /** @description For `RUN --mount=type=secret` and `type=ssh`: `{"secrets": {id: base64}, "ssh": {id: path}}` as base64url of JSON, where the paths are sockets of ssh agents on the daemon's machine. Kept for as long as the build lasts, and in no image, cache or record. Headers have 64 KiB together. */
                "X-Strata-Build-Secrets"?: string;
            };
            path?: never;
            cookie?: never;
        };
        /** @description The context as a tar, packed with gzip, bzip2, xz, zstd or not at all. */
        requestBody?: {
            content: {
                "application/x-tar": string;
            };
        };
        responses: {
            200: components["responses"]["Progress"];
            400: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    buildPrune: {
        parameters: {
            query?: {
                /** @description JSON object of filter names to lists of values: `{"label":["a=b"]}`. The older form `{"label":{"a=b":true}}` is taken too. */
                filters?: components["parameters"]["filters"];
                /** @description Also records whose layers images have, which frees nothing by itself. */
                all?: boolean;
                /** @description Bytes of records to keep, the most recently used. */
                "keep-storage"?: number;
                /** @description The same, by its newer name. */
                "reserved-space"?: number;
                /** @description Bytes that records may take: no more go than it needs. */
                "max-used-space"?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What went. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BuildPruneReport"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    imageList: {
        parameters: {
            query?: {
                /** @description Also images that only serve as parents of others. */
                all?: boolean;
                /** @description JSON object of filter names to lists of values: `{"label":["a=b"]}`. The older form `{"label":{"a=b":true}}` is taken too. */
                filters?: components["parameters"]["filters"];
                /** @description Work out SharedSize. */
                "shared-size"?: boolean;
                /** @description Accepted; digests are always given. */
                digests?: boolean;
                /** @description Accepted; an image here has one manifest. */
                manifests?: boolean;
                /** @description A name pattern; until 1.40. */
                filter?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The images. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ImageSummary"][];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    imageCreate: {
        parameters: {
            query?: {
                /** @description What to pull. It may carry tag or digest. */
                fromImage?: string;
                /** @description `-` for the request body, or the URL of a tar archive. */
                fromSrc?: string;
                /** @description Name of the imported image. */
                repo?: string;
                /** @description Tag or digest. A pull without one takes every tag of the repository. */
                tag?: string;
                /** @description Comment in the history of the imported image. */
                message?: string;
                /** @description Dockerfile instructions applied to the imported image's configuration. */
                changes?: string[];
                /** @description `os[/arch[/variant]]`. */
                platform?: string;
            };
            header?: {
                /** @description AuthConfig as base64url of JSON. */
                "X-Registry-Auth"?: components["parameters"]["registryAuth"];
            };
            path?: never;
            cookie?: never;
        };
        /** @description The archive when `fromSrc` is `-`. */
        requestBody?: {
            content: {
                "application/x-tar": string;
            };
        };
        responses: {
            200: components["responses"]["Progress"];
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    imageLoad: {
        parameters: {
            query?: {
                /** @description Without progress lines. */
                quiet?: boolean;
                /** @description An OCI platform in JSON: `{"os":"linux","architecture":"amd64"}`. */
                platform?: components["parameters"]["platformJson"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-tar": string;
            };
        };
        responses: {
            200: components["responses"]["Progress"];
            default: components["responses"]["Error"];
        };
    };
    imageGetAll: {
        parameters: {
            query?: {
                /** @description Names or IDs. */
                names?: string[];
                /** @description An OCI platform in JSON: `{"os":"linux","architecture":"amd64"}`. */
                platform?: components["parameters"]["platformJson"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Tar"];
            default: components["responses"]["Error"];
        };
    };
    imageSearch: {
        parameters: {
            query?: {
                /** @description The word; `registry.example/word` asks that registry instead of Docker Hub. */
                term?: string;
                /** @description Results at most, 1 to 100; 25 when not given. */
                limit?: number;
                /** @description JSON object of filter names to lists of values: `{"label":["a=b"]}`. The older form `{"label":{"a=b":true}}` is taken too. */
                filters?: components["parameters"]["filters"];
            };
            header?: {
                /** @description AuthConfig as base64url of JSON. */
                "X-Registry-Auth"?: components["parameters"]["registryAuth"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was found. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SearchResult"][];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    distributionInspect: {
        parameters: {
            query?: never;
            header?: {
                /** @description AuthConfig as base64url of JSON. */
                "X-Registry-Auth"?: components["parameters"]["registryAuth"];
            };
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Its descriptor and platforms. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DistributionInspect"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    imagePrune: {
        parameters: {
            query?: {
                /** @description JSON object of filter names to lists of values: `{"label":["a=b"]}`. The older form `{"label":{"a=b":true}}` is taken too. */
                filters?: components["parameters"]["filters"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What went. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ImagesPruneReport"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    imageDelete: {
        parameters: {
            query?: {
                /** @description Even when stopped containers use it, or when it has several tags. */
                force?: boolean;
                /** @description Leave parents without a tag. */
                noprune?: boolean;
                /** @description Only an image for one of these platforms, each an OCI platform in JSON. */
                platforms?: string[];
            };
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What went. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ImageDeleteItem"][];
                };
            };
            404: components["responses"]["Error"];
            409: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    imageInspect: {
        parameters: {
            query?: {
                /** @description Accepted; an image here has one manifest. */
                manifests?: boolean;
                /** @description An OCI platform in JSON: `{"os":"linux","architecture":"amd64"}`. */
                platform?: components["parameters"]["platformJson"];
            };
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The image. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ImageInspect"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    imageHistory: {
        parameters: {
            query?: {
                /** @description An OCI platform in JSON: `{"os":"linux","architecture":"amd64"}`. */
                platform?: components["parameters"]["platformJson"];
            };
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The steps. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HistoryEntry"][];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    imageGet: {
        parameters: {
            query?: {
                /** @description An OCI platform in JSON: `{"os":"linux","architecture":"amd64"}`. */
                platform?: components["parameters"]["platformJson"];
            };
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Tar"];
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    imagePush: {
        parameters: {
            query?: {
                /** @description The tag to push; without one, every tag of the repository. */
                tag?: string;
                /** @description An OCI platform in JSON: `{"os":"linux","architecture":"amd64"}`. */
                platform?: components["parameters"]["platformJson"];
            };
            header?: {
                /** @description AuthConfig as base64url of JSON. */
                "X-Registry-Auth"?: components["parameters"]["registryAuth"];
            };
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Progress"];
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    imageTag: {
        parameters: {
            query?: {
                /** @description The name without a tag. */
                repo?: string;
                /** @description `latest` when not given. */
                tag?: string;
            };
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The name stands. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    imageCommit: {
        parameters: {
            query?: {
                /** @description Name or ID. */
                container?: string;
                /** @description Name of the image. */
                repo?: string;
                /** @description Its tag. */
                tag?: string;
                /** @description Recorded in the history. */
                comment?: string;
                /** @description Recorded in the configuration. */
                author?: string;
                /** @description Hold the container still meanwhile. */
                pause?: boolean;
                /** @description Dockerfile instructions applied to the configuration. */
                changes?: string[];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["ContainerConfig"];
            };
        };
        responses: {
            /** @description The image. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["IdResponse"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerList: {
        parameters: {
            query?: {
                /** @description Also those that do not run. */
                all?: boolean;
                /** @description At most so many, running or not; -1 or 0 is no limit. */
                limit?: number;
                /** @description Work out SizeRw and SizeRootFs. */
                size?: boolean;
                /** @description Made after this container; until 1.40. */
                since?: string;
                /** @description Made before this container; until 1.40. */
                before?: string;
                /** @description JSON object of filter names to lists of values: `{"label":["a=b"]}`. The older form `{"label":{"a=b":true}}` is taken too. */
                filters?: components["parameters"]["filters"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The containers. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ContainerSummary"][];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    containerCreate: {
        parameters: {
            query?: {
                /** @description Letters, digits, `_`, `.`, `-`; one is made up when not given. */
                name?: string;
                /** @description `os[/arch[/variant]]` that the image must have. */
                platform?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ContainerCreateRequest"];
            };
        };
        responses: {
            /** @description It is made. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ContainerCreateResponse"];
                };
            };
            400: components["responses"]["Error"];
            404: components["responses"]["Error"];
            409: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerPrune: {
        parameters: {
            query?: {
                /** @description JSON object of filter names to lists of values: `{"label":["a=b"]}`. The older form `{"label":{"a=b":true}}` is taken too. */
                filters?: components["parameters"]["filters"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What went. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ContainersPruneReport"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    containerDelete: {
        parameters: {
            query?: {
                /** @description Kill it first when it runs. */
                force?: boolean;
                /** @description Also its anonymous volumes. */
                v?: boolean;
                /** @description Remove the link of this name instead. */
                link?: boolean;
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            409: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerInspect: {
        parameters: {
            query?: {
                /** @description Work out SizeRw and SizeRootFs. */
                size?: boolean;
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The container. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ContainerInspect"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerStart: {
        parameters: {
            query?: {
                /** @description Keys that leave the session, such as `ctrl-p,ctrl-q`. */
                detachKeys?: components["parameters"]["detachKeys"];
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It runs. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It ran already. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerStop: {
        parameters: {
            query?: {
                /** @description Instead of the container's stop signal. */
                signal?: components["parameters"]["signal"];
                /** @description Seconds to wait before killing; -1 is for ever. */
                t?: components["parameters"]["stopTimeout"];
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It has ended. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It did not run. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerRestart: {
        parameters: {
            query?: {
                /** @description Instead of the container's stop signal. */
                signal?: components["parameters"]["signal"];
                /** @description Seconds to wait before killing; -1 is for ever. */
                t?: components["parameters"]["stopTimeout"];
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It runs. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerKill: {
        parameters: {
            query?: {
                /** @description Name or number; SIGKILL when not given. */
                signal?: string;
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The signal is sent. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            409: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerPause: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is frozen. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerUnpause: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It goes on. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerRename: {
        parameters: {
            query?: {
                /** @description The new name. */
                name?: string;
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It has the name. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            409: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerResize: {
        parameters: {
            query?: {
                /** @description Rows. */
                h?: components["parameters"]["height"];
                /** @description Columns. */
                w?: components["parameters"]["width"];
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The size is set. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerWait: {
        parameters: {
            query?: {
                /** @description What to wait for. */
                condition?: "not-running" | "next-exit" | "removed";
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description How it ended. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ContainerWaitResponse"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerAttach: {
        parameters: {
            query?: {
                /** @description Keys that leave the session, such as `ctrl-p,ctrl-q`. */
                detachKeys?: components["parameters"]["detachKeys"];
                /** @description First what was written before. */
                logs?: boolean;
                /** @description Then what is written from now on. */
                stream?: boolean;
                /** @description Take input. */
                stdin?: boolean;
                /** @description Give standard output. */
                stdout?: boolean;
                /** @description Give standard error. */
                stderr?: boolean;
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The connection is the stream: raw with a terminal, else frames of 8 bytes header (stream, 0, 0, 0, length) and data. */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            200: components["responses"]["RawStream"];
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerAttachWebsocket: {
        parameters: {
            query?: {
                /** @description Keys that leave the session, such as `ctrl-p,ctrl-q`. */
                detachKeys?: components["parameters"]["detachKeys"];
                /** @description First what was written before. */
                logs?: boolean;
                /** @description Then what is written from now on. */
                stream?: boolean;
                /** @description Take input. */
                stdin?: boolean;
                /** @description Give standard output. */
                stdout?: boolean;
                /** @description Give standard error. */
                stderr?: boolean;
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The WebSocket is open. */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerLogs: {
        parameters: {
            query?: {
                /** @description Go on with what is written from now on. */
                follow?: boolean;
                /** @description Give standard output. */
                stdout?: boolean;
                /** @description Give standard error. */
                stderr?: boolean;
                /** @description Only from this time: Unix seconds (fraction allowed), RFC 3339, or a duration back from now. */
                since?: string;
                /** @description Only to this time, same forms. */
                until?: string;
                /** @description Put the time before each line. */
                timestamps?: boolean;
                /** @description Before each line what its log notes of the container. */
                details?: boolean;
                /** @description So many lines from the end, or `all`. */
                tail?: string;
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["RawStream"];
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerTop: {
        parameters: {
            query?: {
                /** @description Arguments of ps. */
                ps_args?: string;
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The processes. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ContainerTopResponse"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerChanges: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The paths. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FilesystemChange"][];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerExport: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Tar"];
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerStats: {
        parameters: {
            query?: {
                /** @description Else one sample, after another to compare it to. */
                stream?: boolean;
                /** @description With `stream=false`: at once, with nothing to compare it to. */
                "one-shot"?: boolean;
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The samples. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ContainerStats"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    containerUpdate: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ContainerUpdateRequest"];
            };
        };
        responses: {
            /** @description It is changed. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ContainerUpdateResponse"];
                };
            };
            400: components["responses"]["Error"];
            404: components["responses"]["Error"];
            409: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    archiveGet: {
        parameters: {
            query?: {
                /** @description A path in the container. One that ends in `/` or `/.` is followed to its end. */
                path?: string;
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: components["responses"]["Tar"];
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    archivePut: {
        parameters: {
            query?: {
                /** @description A path in the container. One that ends in `/` or `/.` is followed to its end. */
                path?: string;
                /** @description Refuse to put a directory in the place of something else, or the other way round. */
                noOverwriteDirNonDir?: boolean;
                /** @description All belongs to the container's user, where it has one. */
                copyUIDGID?: boolean;
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-tar": string;
            };
        };
        responses: {
            /** @description All is there. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Error"];
            403: components["responses"]["Error"];
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    archiveHead: {
        parameters: {
            query?: {
                /** @description A path in the container. One that ends in `/` or `/.` is followed to its end. */
                path?: string;
            };
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is there. */
            200: {
                headers: {
                    /** @description See there. */
                    "X-Docker-Container-Path-Stat"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description There is no such container or file. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description It failed. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    execCreate: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, ID, or an unambiguous beginning of the ID. */
                id: components["parameters"]["container"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ExecConfig"];
            };
        };
        responses: {
            /** @description It is prepared. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["IdResponse"];
                };
            };
            404: components["responses"]["Error"];
            409: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    execStart: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The exec's ID. */
                id: components["parameters"]["exec"];
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["ExecStartConfig"];
            };
        };
        responses: {
            /** @description The connection is the stream. */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            200: components["responses"]["RawStream"];
            404: components["responses"]["Error"];
            409: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    execResize: {
        parameters: {
            query?: {
                /** @description Rows. */
                h?: components["parameters"]["height"];
                /** @description Columns. */
                w?: components["parameters"]["width"];
            };
            header?: never;
            path: {
                /** @description The exec's ID. */
                id: components["parameters"]["exec"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The size is set. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    execInspect: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The exec's ID. */
                id: components["parameters"]["exec"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The state. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExecInspect"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    volumeList: {
        parameters: {
            query?: {
                /** @description JSON object of filter names to lists of values: `{"label":["a=b"]}`. The older form `{"label":{"a=b":true}}` is taken too. */
                filters?: components["parameters"]["filters"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The volumes. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VolumeList"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    volumeCreate: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["VolumeCreateRequest"];
            };
        };
        responses: {
            /** @description The volume. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Volume"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    volumePrune: {
        parameters: {
            query?: {
                /** @description JSON object of filter names to lists of values: `{"label":["a=b"]}`. The older form `{"label":{"a=b":true}}` is taken too. */
                filters?: components["parameters"]["filters"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What went. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VolumesPruneReport"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    volumeInspect: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The volume. */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The volume. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Volume"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    volumeUpdate: {
        parameters: {
            query?: {
                /** @description Of a cluster volume, in Docker's API; means nothing here. */
                version?: number;
            };
            header?: never;
            path: {
                /** @description The volume. */
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VolumeUpdateRequest"];
            };
        };
        responses: {
            /** @description The volume as it is now. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Volume"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    volumeDelete: {
        parameters: {
            query?: {
                /** @description Success also when there is none. */
                force?: boolean;
            };
            header?: never;
            path: {
                /** @description The volume. */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            409: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    networkList: {
        parameters: {
            query?: {
                /** @description JSON object of filter names to lists of values: `{"label":["a=b"]}`. The older form `{"label":{"a=b":true}}` is taken too. */
                filters?: components["parameters"]["filters"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The networks. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Network"][];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    networkCreate: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NetworkCreateRequest"];
            };
        };
        responses: {
            /** @description It is made. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NetworkCreateResponse"];
                };
            };
            409: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    networkPrune: {
        parameters: {
            query?: {
                /** @description JSON object of filter names to lists of values: `{"label":["a=b"]}`. The older form `{"label":{"a=b":true}}` is taken too. */
                filters?: components["parameters"]["filters"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What went. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NetworksPruneReport"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    networkInspect: {
        parameters: {
            query?: {
                /** @description Accepted; nothing more is known. */
                verbose?: boolean;
                /** @description Only `local` exists. */
                scope?: string;
            };
            header?: never;
            path: {
                /** @description Name or ID of the network. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The network. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Network"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    networkDelete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name or ID of the network. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            403: components["responses"]["Error"];
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    networkConnect: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name or ID of the network. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NetworkConnectRequest"];
            };
        };
        responses: {
            /** @description It is on it. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    networkDisconnect: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name or ID of the network. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NetworkDisconnectRequest"];
            };
        };
        responses: {
            /** @description It is off. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    layerList: {
        parameters: {
            query?: {
                /** @description JSON object of filter names to lists of values: `{"label":["a=b"]}`. The older form `{"label":{"a=b":true}}` is taken too. */
                filters?: components["parameters"]["filters"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The layers. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Layer"][];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    layerInspect: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `sha256:…` or an unambiguous beginning of it. */
                chainId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The layer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Layer"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    gcPolicies: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The policies. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GcPolicies"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    gcPoliciesSet: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description The policies in force. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GcPolicies"];
                };
            };
            400: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    gcPoliciesReset: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The policies in force. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GcPolicies"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    gcPlanCreate: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["GcPlanRequest"];
            };
        };
        responses: {
            /** @description The plan. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GcPlan"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    gcPlanInspect: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The plan's ID, or an unambiguous beginning of it. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The plan. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GcPlan"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    gcRunList: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The runs. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GcRun"][];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    gcRunCreate: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["GcRunRequest"];
            };
        };
        responses: {
            /** @description The run. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GcRun"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    gcRunInspect: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run's ID, or an unambiguous beginning of it. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The run. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GcRun"];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    gcRunUndo: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run's ID, or an unambiguous beginning of it. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The images. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GcRestored"][];
                };
            };
            404: components["responses"]["Error"];
            409: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    gcPins: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The names. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": string[];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    imagePin: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is pinned. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    imageUnpin: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name, name with tag or digest, or ID. Slashes may stand as they are. */
                name: components["parameters"]["imageName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is no longer pinned. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    graphUsage: {
        parameters: {
            query?: {
                /** @description Measure first what may have changed. */
                refresh?: boolean;
                /** @description Owners of each kind that are told, the largest first. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The use. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GraphUsage"];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    graphWhy: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name or ID of an image, container, volume or network; chain or diff ID of a layer; digest of a blob; ID of a snapshot, build record, download or lease; a beginning of these. Slashes may stand as they are. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Everything that is called so. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["GraphWhy"][];
                };
            };
            404: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
    graphCheckList: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The reports. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CheckReport"][];
                };
            };
            default: components["responses"]["Error"];
        };
    };
    graphCheck: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["CheckRequest"];
            };
        };
        responses: {
            /** @description Lines of JSON: how far it is, findings as they are made, and the report as the last. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CheckLine"];
                };
            };
            409: components["responses"]["Error"];
            default: components["responses"]["Error"];
        };
    };
}
