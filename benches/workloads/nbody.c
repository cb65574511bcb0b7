// N-body: a star and seven planets pull at each other; symplectic Euler steps in f64.
//
// Stresses: chains of dependent f64 arithmetic, square roots and divisions, small structs in memory.
// Argument: the number of steps. Prints the energy of the system before and after, which the steps nearly preserve.

#include "workload.h"
#include <math.h>

#define BODIES 8
#define STEP 0.001

typedef struct {
    double x, y, z;
    double vx, vy, vz;
    double mass;
} Body;

// A star of mass 1 in the middle; each planet on a slightly tilted circle, at the speed that holds it there.
static void place_bodies(Body bodies[BODIES]) {
    bodies[0] = (Body){.mass = 1.0};
    for (int i = 1; i < BODIES; i++) {
        double distance = 0.5 + 0.45 * i;
        double angle = 2.4 * i;
        double tilt = 0.03 * i;
        double speed = sqrt(1.0 / distance);
        bodies[i] = (Body){
            .x = distance * cos(angle),
            .y = distance * sin(angle) * cos(tilt),
            .z = distance * sin(angle) * sin(tilt),
            .vx = -speed * sin(angle),
            .vy = speed * cos(angle) * cos(tilt),
            .vz = speed * cos(angle) * sin(tilt),
            .mass = 1e-4 * i,
        };
    }
}

// Gives the star the momentum that brings the sum to zero, so that the system as a whole stays where it is.
static void cancel_drift(Body bodies[BODIES]) {
    double px = 0.0, py = 0.0, pz = 0.0;
    for (int i = 1; i < BODIES; i++) {
        px += bodies[i].vx * bodies[i].mass;
        py += bodies[i].vy * bodies[i].mass;
        pz += bodies[i].vz * bodies[i].mass;
    }
    bodies[0].vx = -px / bodies[0].mass;
    bodies[0].vy = -py / bodies[0].mass;
    bodies[0].vz = -pz / bodies[0].mass;
}

static double energy(const Body bodies[BODIES]) {
    double sum = 0.0;
    for (int i = 0; i < BODIES; i++) {
        const Body *a = &bodies[i];
        sum += 0.5 * a->mass * (a->vx * a->vx + a->vy * a->vy + a->vz * a->vz);
        for (int j = i + 1; j < BODIES; j++) {
            const Body *b = &bodies[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            sum -= a->mass * b->mass / sqrt(dx * dx + dy * dy + dz * dz);
        }
    }
    return sum;
}

static void advance(Body bodies[BODIES]) {
    for (int i = 0; i < BODIES; i++) {
        Body *a = &bodies[i];
        for (int j = i + 1; j < BODIES; j++) {
            Body *b = &bodies[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            double square = dx * dx + dy * dy + dz * dz;
            double pull = STEP / (square * sqrt(square));
            a->vx -= dx * b->mass * pull;
            a->vy -= dy * b->mass * pull;
            a->vz -= dz * b->mass * pull;
            b->vx += dx * a->mass * pull;
            b->vy += dy * a->mass * pull;
            b->vz += dz * a->mass * pull;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        bodies[i].x += STEP * bodies[i].vx;
        bodies[i].y += STEP * bodies[i].vy;
        bodies[i].z += STEP * bodies[i].vz;
    }
}

int main(int argc, char **argv) {
    unsigned long steps = size_argument(argc, argv, 8000000);
    Body bodies[BODIES];
    place_bodies(bodies);
    cancel_drift(bodies);
    printf("nbody %lu: energy %.12f", steps, energy(bodies));
    for (unsigned long i = 0; i < steps; i++) {
        advance(bodies);
    }
    printf(" -> %.12f\n", energy(bodies));
    return 0;
}
